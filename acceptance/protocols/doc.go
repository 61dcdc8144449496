// Package protocols compares ways to make one call between two services: HTTP/1.1 and
// HTTP/2 with JSON, gRPC, Kafka and RabbitMQ. Caller and recipient are two processes on
// one machine, instrumented with the middleware, which talk over loopback. The call is a
// charge of the storefront's payment service. Over a broker, the request is a message and
// the answer another one.
//
// TestProtocols measures. TENHOP_PROTOCOLS=full has the rounds of docs/protocols.md.
package protocols

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
)

// Broker is a broker that carries calls: a Kafka or a RabbitMQ.
type Broker struct {
	Name  string `json:"name"`
	Kafka string `json:"kafka,omitempty"` // host:port
	AMQP  string `json:"amqp,omitempty"`  // URL
}

// Setting holds the addresses of a comparison.
type Setting struct {
	Run     string   `json:"run"`     // makes the names of topics and queues unique
	HTTP    string   `json:"http"`    // host:port of the recipient, HTTP/1.1 and h2c
	GRPC    string   `json:"grpc"`    // host:port of the recipient
	Brokers []Broker `json:"brokers"` // that caller and recipient use
}

func (s Setting) requests() string { return "protocols." + s.Run + ".charges" }
func (s Setting) replies() string  { return "protocols." + s.Run + ".replies" }

// requestTimeout bounds a call to a recipient that is up.
const requestTimeout = 30 * time.Second

// request returns the request of a call.
func request(id string) *pb.ChargeRequest {
	return &pb.ChargeRequest{IdempotencyKey: id, UserId: "user-042", Region: "eu", Method: "card", Amount: 12995}
}

// charge answers a request.
func charge(r *pb.ChargeRequest) *pb.ChargeResponse {
	return &pb.ChargeResponse{ChargeId: "charge-" + r.GetIdempotencyKey()}
}

// wire counts the bytes of connections, in both directions. TCP's and IP's own headers are
// not counted.
type wire struct{ bytes atomic.Int64 }

// dial opens a counted connection.
func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return counted{c, w}, nil
}

type counted struct {
	net.Conn
	w *wire
}

// Read implements net.Conn.
func (c counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.w.bytes.Add(int64(n))
	return n, err
}

// Write implements net.Conn.
func (c counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.w.bytes.Add(int64(n))
	return n, err
}
