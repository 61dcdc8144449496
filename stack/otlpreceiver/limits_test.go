package otlpreceiver_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tenhop/tenhop/stack/otelcol"
	"github.com/tenhop/tenhop/stack/otlpreceiver"
)

const patience = 20 * time.Second

const (
	exportTraces = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	exportLogs   = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
)

// serve runs both servers of a receiver and returns their addresses.
func serve(t *testing.T, opts ...otlpreceiver.Option) (viaGRPC *grpc.ClientConn, httpAddress string) {
	t.Helper()
	r := otlpreceiver.New((&sink{}).consumer(), otelcol.New(prometheus.NewRegistry()), opts...)
	served := make(chan error, 2)
	listen := func(serve func(net.Listener) error) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { served <- serve(l) }()
		return l.Addr().String()
	}
	conn, err := grpc.NewClient(listen(r.ServeGRPC), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(64<<20)))
	if err != nil {
		t.Fatal(err)
	}
	httpAddress = listen(r.ServeHTTP)
	t.Cleanup(func() {
		conn.Close()
		if err := errors.Join(r.Close(t.Context()), <-served, <-served); err != nil && !errors.Is(err, t.Context().Err()) {
			t.Error(err)
		}
	})
	return conn, httpAddress
}

// A client that sends headers and then nothing must not hold a connection or a
// stream for good.
func TestSlowRequestsEnd(t *testing.T) {
	conn, address := serve(t, otlpreceiver.WithRequestTimeout(200*time.Millisecond))
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, exportTraces)
	if err != nil {
		t.Fatal(err)
	}
	var reply []byte
	if err := stream.RecvMsg(&reply); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a stream without a message ends with %v", err)
	}

	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\nContent-Length: 1000\r\n\r\nx"); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a connection whose body does not come stays open")
	}
}

// One connection has a bounded number of streams: further calls wait.
func TestStreamsAreBounded(t *testing.T) {
	conn, _ := serve(t)
	opened := make(chan error)
	go func() {
		for range 200 {
			_, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, exportTraces)
			select {
			case opened <- err:
			case <-t.Context().Done():
				return
			}
		}
	}()
	// The first streams may open before the client knows the limit.
	n := 0
	for quiet := false; !quiet; {
		select {
		case err := <-opened:
			if err != nil {
				t.Fatal(err)
			}
			n++
		case <-time.After(time.Second):
			quiet = true
		}
	}
	if n < 50 || n > 150 {
		t.Errorf("%d streams are open on one connection", n)
	}
}

// nested returns an export request of logs of about size bytes whose body is an
// array in an array and so on.
func nested(size int) []byte {
	var reversed []byte
	wrap := func(field protowire.Number) {
		head := protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.BytesType), uint64(len(reversed)))
		for i := range head {
			reversed = append(reversed, head[len(head)-1-i])
		}
	}
	for len(reversed) < size {
		wrap(1) // ArrayValue.values
		wrap(5) // AnyValue.array_value
	}
	for _, field := range []protowire.Number{5, 2, 2, 1} { // body, log_records, scope_logs, resource_logs
		wrap(field)
	}
	out := make([]byte, len(reversed))
	for i, b := range reversed {
		out[len(out)-1-i] = b
	}
	return out
}

// The decoder is recursive: a request of 20 MB that nests all the way exhausts
// the stack, which ends the process.
func TestDeepRequestsAreRefused(t *testing.T) {
	conn, _ := serve(t)
	deep := nested(19 << 20)
	var reply []byte
	if err := conn.Invoke(t.Context(), exportLogs, &deep, &reply, grpc.ForceCodec(raw{})); status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "nested") {
		t.Errorf("gRPC: %v", err)
	}
	h := otlpreceiver.New((&sink{}).consumer(), otelcol.New(prometheus.NewRegistry())).Handler()
	const levels = 700_000
	inJSON := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":` + strings.Repeat(`{"arrayValue":{"values":[`, levels) + strings.Repeat(`]}}`, levels) + `}]}]}]}`
	wide := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + strings.Repeat(`{"body":{"stringValue":"{[{[\\\"{["}},`, 9999) + `{}]}]}]}`
	for _, c := range []struct {
		why, contentType, body string
		want                   int
	}{
		{"deep, protobuf", "application/x-protobuf", string(deep), http.StatusBadRequest},
		{"deep, JSON", "application/json", inJSON, http.StatusBadRequest},
		{"brackets in text", "application/json", wide, http.StatusOK},
	} {
		req := httptest.NewRequest(http.MethodPost, "/v1/logs", strings.NewReader(c.body))
		req.Header.Set("Content-Type", c.contentType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != c.want {
			t.Errorf("%s: %d %.200s", c.why, w.Code, w.Body)
		}
	}
}
