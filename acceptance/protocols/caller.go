package protocols

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/tenhop/tenhop/middleware/amqpmw"
	"github.com/tenhop/tenhop/middleware/grpcmw"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/kafkamw"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
)

// dependency is the recipient's name in the caller's metrics.
const dependency = "recipient"

// way is a way to make a call.
type way struct {
	name   string
	broker bool // the call is a message that waits for the recipient
	wire   *wire
	// call makes a call. A broker has accepted the request when accepted is called.
	call func(ctx context.Context, accepted func()) error
}

// open returns all ways of a setting. The returned function closes them.
func open(ctx context.Context, s Setting, t *hop.Telemetry) (ways []*way, stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, f := range stops {
			f()
		}
	}
	add := func(name string, broker bool, dial func(w *wire) (call func(context.Context, func()) error, stop func(), err error)) {
		if err != nil {
			return
		}
		w := &way{name: name, broker: broker, wire: &wire{}}
		var closed func()
		if w.call, closed, err = dial(w.wire); err != nil {
			err = fmt.Errorf("%s: %w", name, err)
			return
		}
		ways, stops = append(ways, w), append(stops, closed)
	}
	add("HTTP/1.1, JSON", false, func(w *wire) (func(context.Context, func()) error, func(), error) { return dialHTTP(s, t, w, false) })
	add("HTTP/2 (h2c), JSON", false, func(w *wire) (func(context.Context, func()) error, func(), error) { return dialHTTP(s, t, w, true) })
	add("gRPC", false, func(w *wire) (func(context.Context, func()) error, func(), error) { return dialGRPC(s, t, w) })
	for _, b := range s.Brokers {
		add(b.Name, true, func(w *wire) (func(context.Context, func()) error, func(), error) {
			if b.AMQP != "" {
				return dialRabbitMQ(ctx, s, b, t, w)
			}
			return dialKafka(ctx, s, b, t, w)
		})
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	return ways, stop, nil
}

func dialHTTP(s Setting, t *hop.Telemetry, w *wire, two bool) (func(context.Context, func()) error, func(), error) {
	var protocols http.Protocols
	protocols.SetHTTP1(!two)
	protocols.SetUnencryptedHTTP2(two)
	base := &http.Transport{DialContext: w.dial, Protocols: &protocols, MaxIdleConnsPerHost: maxConcurrent}
	client := &http.Client{Transport: httpmw.Transport(base, httpmw.WithTelemetry(t), httpmw.WithDependency(dependency))}
	url := "http://" + s.HTTP + "/charges"
	return func(ctx context.Context, _ func()) error {
		body, err := protojson.Marshal(request(uuid.NewString()))
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", resp.Status, answer)
		}
		return protojson.Unmarshal(answer, &pb.ChargeResponse{})
	}, base.CloseIdleConnections, nil
}

func dialGRPC(s Setting, t *hop.Telemetry, w *wire) (func(context.Context, func()) error, func(), error) {
	opts := append(grpcmw.DialOptions(dependency, grpcmw.WithTelemetry(t)), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { return w.dial(ctx, "tcp", address) }))
	conn, err := grpc.NewClient("passthrough:///"+s.GRPC, opts...)
	if err != nil {
		return nil, nil, err
	}
	client := pb.NewPaymentClient(conn)
	return func(ctx context.Context, _ func()) error {
		_, err := client.Charge(ctx, request(uuid.NewString()))
		return err
	}, func() { _ = conn.Close() }, nil
}

// pending holds the calls that wait for their answer, by ID.
type pending struct {
	mu    sync.Mutex
	calls map[string]chan []byte
}

func newPending() *pending { return &pending{calls: map[string]chan []byte{}} }

// answered passes an answer on to its call.
func (p *pending) answered(id string, answer []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.calls[id]; c != nil {
		delete(p.calls, id)
		c <- answer
	}
}

// call publishes a request and waits for its answer.
func (p *pending) call(ctx context.Context, accepted func(), publish func(id string, body []byte) error) error {
	id := uuid.NewString()
	body, err := protojson.Marshal(request(id))
	if err != nil {
		return err
	}
	answer := make(chan []byte, 1)
	p.mu.Lock()
	p.calls[id] = answer
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.calls, id)
		p.mu.Unlock()
	}()
	if err := publish(id, body); err != nil {
		return err
	}
	accepted()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case a := <-answer:
		return protojson.Unmarshal(a, &pb.ChargeResponse{})
	}
}

func dialKafka(ctx context.Context, s Setting, b Broker, t *hop.Telemetry, w *wire) (func(context.Context, func()) error, func(), error) {
	cl, err := kgo.NewClient(append(kafkamw.ClientOptions(kafkamw.WithTelemetry(t)), kgo.SeedBrokers(b.Kafka), kgo.Dialer(w.dial),
		kgo.AllowAutoTopicCreation(), kgo.ProducerLinger(0), kgo.ConsumeTopics(s.replies()), kgo.MetadataMinAge(250*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(time.Second))...)
	if err != nil {
		return nil, nil, err
	}
	p := newPending()
	go func() {
		for ctx.Err() == nil {
			fetches := cl.PollFetches(ctx)
			if fetches.IsClientClosed() {
				return
			}
			fetches.EachRecord(func(r *kgo.Record) { p.answered(string(r.Key), r.Value) })
		}
	}()
	return func(ctx context.Context, accepted func()) error {
		return p.call(ctx, accepted, func(id string, body []byte) error {
			return kafkamw.Produce(ctx, cl, &kgo.Record{Topic: s.requests(), Key: []byte(id), Value: body})
		})
	}, cl.Close, nil
}

func dialRabbitMQ(ctx context.Context, s Setting, b Broker, t *hop.Telemetry, w *wire) (func(context.Context, func()) error, func(), error) {
	ch, stop, err := amqpChannel(ctx, b.AMQP, w)
	if err != nil {
		return nil, nil, err
	}
	fail := func(err error) (func(context.Context, func()) error, func(), error) { stop(); return nil, nil, err }
	if err := declareRequests(ch, s); err != nil {
		return fail(err)
	}
	replies, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return fail(err)
	}
	deliveries, err := ch.Consume(replies.Name, "", true, true, false, false, nil)
	if err != nil {
		return fail(err)
	}
	p := newPending()
	go func() {
		for d := range deliveries {
			p.answered(d.CorrelationId, d.Body)
		}
	}()
	publisher := amqpmw.NewPublisher(ch, amqpmw.WithTelemetry(t))
	return func(ctx context.Context, accepted func()) error {
			return p.call(ctx, accepted, func(id string, body []byte) error {
				return publisher.Publish(ctx, "", s.requests(), true, false,
					amqp.Publishing{CorrelationId: id, ReplyTo: replies.Name, DeliveryMode: amqp.Persistent, Body: body})
			})
		}, func() {
			_, _ = ch.QueueDelete(s.requests(), false, false, false)
			stop()
		}, nil
}
