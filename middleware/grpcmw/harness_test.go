package grpcmw_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/test/bufconn"

	"github.com/tenhop/tenhop/middleware/grpcmw"
	"github.com/tenhop/tenhop/middleware/hop"
)

// side is one process's telemetry with everything that it emits at hand.
type side struct {
	*hop.Telemetry
	spans *tracetest.SpanRecorder
	reg   *prometheus.Registry
	log   *lines
}

type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// all returns the log lines as maps.
func (l *lines) all(t *testing.T) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []map[string]any
	for _, line := range bytes.Split(bytes.TrimSpace(l.buf.Bytes()), []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		m := map[string]any{}
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("log line %s: %v", line, err)
		}
		all = append(all, m)
	}
	return all
}

func newSide(t testing.TB, name string) *side {
	t.Helper()
	s := &side{spans: tracetest.NewSpanRecorder(), reg: prometheus.NewRegistry(), log: &lines{}}
	tel, err := hop.New(hop.WithServiceName(name), hop.WithRegistry(s.reg), hop.WithZerolog(zerolog.New(s.log)),
		hop.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s.spans))))
	if err != nil {
		t.Fatal(err)
	}
	s.Telemetry = tel
	return s
}

// span returns the only span that ended.
func (s *side) span(t *testing.T) sdktrace.ReadOnlySpan {
	t.Helper()
	ended := s.spans.Ended()
	if len(ended) != 1 {
		t.Fatalf("%d spans ended, want 1", len(ended))
	}
	return ended[0]
}

// gauge sums a family's gauges.
func (s *side) gauge(t *testing.T, family string) (value float64) {
	t.Helper()
	mfs, err := s.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, mf := range mfs {
		if mf.GetName() == family {
			for _, m := range mf.GetMetric() {
				value += m.GetGauge().GetValue()
			}
		}
	}
	return value
}

func attr(span sdktrace.ReadOnlySpan, key attribute.Key) string {
	for _, a := range span.Attributes() {
		if a.Key == key {
			return fmt.Sprint(a.Value.AsInterface())
		}
	}
	return ""
}

// sum returns the sum and the count of a family's series with these labels.
func (s *side) sum(t *testing.T, family string, labels map[string]string) (seconds float64, count uint64) {
	t.Helper()
	mfs, err := s.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, mf := range mfs {
		if mf.GetName() != family {
			continue
		}
	next:
		for _, m := range mf.GetMetric() {
			have := map[string]string{}
			for _, l := range m.GetLabel() {
				have[l.GetName()] = l.GetValue()
			}
			for k, v := range labels {
				if have[k] != v {
					continue next
				}
			}
			seconds += m.GetHistogram().GetSampleSum()
			count += m.GetHistogram().GetSampleCount()
		}
	}
	return seconds, count
}

// service answers as its functions say.
type service struct {
	testpb.UnimplementedTestServiceServer
	unary  func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error)
	duplex func(testpb.TestService_FullDuplexCallServer) error
	output func(*testpb.StreamingOutputCallRequest, testpb.TestService_StreamingOutputCallServer) error
}

func (s *service) UnaryCall(ctx context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	return s.unary(ctx, r)
}

func (s *service) FullDuplexCall(ss testpb.TestService_FullDuplexCallServer) error {
	return s.duplex(ss)
}

func (s *service) StreamingOutputCall(r *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
	return s.output(r, ss)
}

// serve starts the service behind the middleware and returns a connection to
// it, with the client's middleware, and a function that stops the server after
// its calls have ended.
func serve(t *testing.T, svc *service, server, client *side, opts ...grpcmw.Option) (*grpc.ClientConn, func()) {
	t.Helper()
	lis := bufconn.Listen(1 << 16)
	srv := grpc.NewServer(grpcmw.ServerOptions(append(opts, grpcmw.WithTelemetry(server.Telemetry))...)...)
	testpb.RegisterTestServiceServer(srv, svc)
	grpc_health_v1.RegisterHealthServer(srv, health.NewServer())
	go func() { _ = srv.Serve(lis) }()
	t.Cleanup(srv.Stop)
	dial := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) })}
	if client != nil {
		dial = append(dial, grpcmw.DialOptions("back", grpcmw.WithTelemetry(client.Telemetry))...)
	}
	conn, err := grpc.NewClient("passthrough:///back", dial...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, func() { srv.GracefulStop() }
}

const (
	unaryMethod  = "grpc.testing.TestService/UnaryCall"
	duplexMethod = "grpc.testing.TestService/FullDuplexCall"
	outputMethod = "grpc.testing.TestService/StreamingOutputCall"
)
