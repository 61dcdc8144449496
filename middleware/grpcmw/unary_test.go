package grpcmw_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/grpcmw"
	"github.com/tenhop/tenhop/middleware/hop"
)

func TestUnaryCarriesTraceCorrelationAndEntry(t *testing.T) {
	front, back := newSide(t, "front"), newSide(t, "back")
	var seen, inner string
	conn, stop := serve(t, &service{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		seen, inner = adapter.FromContext(ctx).Entry(), hop.CorrelationID(ctx)
		return &testpb.SimpleResponse{}, nil
	}}, back, front)
	ctx, h := front.Core().Begin(t.Context(), adapter.Incoming{Protocol: "http", Operation: "POST /checkout", SpanKind: trace.SpanKindServer,
		Carrier: mapCarrier{"x-correlation-id": "abc-1"}})
	var header metadata.MD
	if _, err := testpb.NewTestServiceClient(conn).UnaryCall(ctx, &testpb.SimpleRequest{}, grpc.Header(&header)); err != nil {
		t.Fatal(err)
	}
	stop()
	h.End(adapter.Outcome{Quiet: true})

	if seen != "POST /checkout" || inner != "abc-1" {
		t.Errorf("the handler saw entry %q and correlation ID %q", seen, inner)
	}
	if got := header.Get("x-correlation-id"); len(got) != 1 || got[0] != "abc-1" {
		t.Errorf("echoed correlation ID %q", got)
	}
	server := back.span(t)
	client := front.spans.Ended()[0]
	if server.Name() != unaryMethod || server.SpanKind() != trace.SpanKindServer || client.Name() != unaryMethod || client.SpanKind() != trace.SpanKindClient {
		t.Errorf("spans %s %s and %s %s", server.Name(), server.SpanKind(), client.Name(), client.SpanKind())
	}
	if server.Parent().SpanID() != client.SpanContext().SpanID() || server.SpanContext().TraceID() != client.SpanContext().TraceID() {
		t.Error("the server's span is no child of the client's")
	}
	for key, want := range map[string]string{"rpc.system.name": "grpc", "rpc.method": unaryMethod, "rpc.response.status_code": "OK", "correlation_id": "abc-1"} {
		if got := attr(server, attributeKey(key)); got != want {
			t.Errorf("server attribute %s = %q, want %q", key, got, want)
		}
	}
	line := back.log.all(t)
	if len(line) != 1 {
		t.Fatalf("%d log lines, want 1", len(line))
	}
	for key, want := range map[string]any{"correlation_id": "abc-1", "operation": unaryMethod, "status": "OK",
		"trace_id": server.SpanContext().TraceID().String(), "span_id": server.SpanContext().SpanID().String(), "service": "back"} {
		if line[0][key] != want {
			t.Errorf("log field %s = %v, want %v", key, line[0][key], want)
		}
	}
	if _, n := back.sum(t, "rpc_server_call_duration_seconds", map[string]string{"rpc_method": unaryMethod, "rpc_response_status_code": "OK"}); n != 1 {
		t.Errorf("server histogram counts %d", n)
	}
	if _, n := front.sum(t, "rpc_client_call_duration_seconds", map[string]string{"rpc_method": unaryMethod, "dependency": "back"}); n != 1 {
		t.Errorf("client histogram counts %d", n)
	}
	if _, n := back.sum(t, "hop_self_duration_seconds", map[string]string{"entry": "POST /checkout", "protocol": "grpc"}); n != 1 {
		t.Errorf("self time of the entry counts %d", n)
	}
	if _, n := front.sum(t, "hop_wait_duration_seconds", map[string]string{"dependency": "back", "dependency_kind": "grpc"}); n != 1 {
		t.Errorf("waits for back: %d", n)
	}
}

// A panic is in all signals, and its stack does not go to the client.
func TestFault07PanicIsInternalInAllSignalsAndItsTextStaysHere(t *testing.T) {
	back := newSide(t, "back")
	conn, stop := serve(t, &service{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		panic("card 4111 is broken")
	}}, back, nil)
	_, err := testpb.NewTestServiceClient(conn).UnaryCall(t.Context(), &testpb.SimpleRequest{})
	stop()
	if status.Code(err) != grpccodes.Internal || strings.Contains(err.Error(), "4111") || strings.Contains(err.Error(), "goroutine") {
		t.Errorf("the client got %v", err)
	}
	span := back.span(t)
	if span.Status().Code != codes.Error || attr(span, "error.type") != "panic" {
		t.Errorf("span status %v, error.type %q", span.Status(), attr(span, "error.type"))
	}
	if _, n := back.sum(t, "rpc_server_call_duration_seconds", map[string]string{"rpc_response_status_code": "INTERNAL", "error_type": "panic"}); n != 1 {
		t.Errorf("the histogram counts %d panics", n)
	}
	if l := back.log.all(t); len(l) != 1 || l[0]["level"] != "error" || !strings.Contains(fmt.Sprint(l[0]["error"]), "4111") {
		t.Errorf("log %v", l)
	}
}

// With WithoutRecovery a panic continues to whatever recovers around the interceptor.
func TestAPanicContinues(t *testing.T) {
	recovered := make(chan any, 1)
	caught := func() {
		if p := recover(); p != nil {
			recovered <- p
		}
	}
	around := []grpc.ServerOption{
		grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			defer caught()
			return next(ctx, req)
		}),
		grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			defer caught()
			return next(srv, ss)
		}),
	}
	for name, call := range map[string]func(c testpb.TestServiceClient){
		"unary": func(c testpb.TestServiceClient) { _, _ = c.EmptyCall(t.Context(), &testpb.Empty{}) },
		"stream": func(c testpb.TestServiceClient) {
			if stream, err := c.FullDuplexCall(t.Context()); err == nil {
				_, _ = stream.Recv()
			}
		},
	} {
		back := newSide(t, "back")
		call(dialServer(t, func(context.Context) error { panic("boom") }, append(around, grpcmw.ServerOptions(grpcmw.WithTelemetry(back.Telemetry), grpcmw.WithoutRecovery())...), nil))
		if p := <-recovered; p != "boom" {
			t.Errorf("%s: recovered %v", name, p)
		}
		if span := back.span(t); span.Status().Code != codes.Error || attr(span, "error.type") != "panic" {
			t.Errorf("%s: span status %v, error.type %q", name, span.Status(), attr(span, "error.type"))
		}
		if l := back.log.all(t); len(l) != 1 || l[0]["level"] != "error" || l[0]["stack"] == nil {
			t.Errorf("%s: log %v", name, l)
		}
	}
}

func TestStatusMapping(t *testing.T) {
	for _, c := range []struct {
		why    string
		err    error
		code   string
		failed bool
		level  string
	}{
		{"the caller's mistake is no fault of the server", status.Error(grpccodes.InvalidArgument, "x"), "INVALID_ARGUMENT", false, "warn"},
		{"a wrapped status keeps its code on the wire", fmt.Errorf("find: %w", status.Error(grpccodes.NotFound, "x")), "NOT_FOUND", false, "warn"},
		{"an outage is the server's", status.Error(grpccodes.Unavailable, "x"), "UNAVAILABLE", true, "error"},
		{"a plain error becomes Unknown", errors.New("x"), "UNKNOWN", true, "error"},
		{"a departed caller is told apart from a failure", context.Canceled, "CANCELLED", false, "warn"},
		{"a deadline that passed is the server's", fmt.Errorf("db: %w", context.DeadlineExceeded), "DEADLINE_EXCEEDED", true, "error"},
		{"a code outside the known set does not make a label of its own", status.Error(77, "x"), adapter.Overflow, false, "warn"},
	} {
		t.Run(c.why, func(t *testing.T) {
			back := newSide(t, "back")
			conn, stop := serve(t, &service{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) { return nil, c.err }}, back, nil)
			_, _ = testpb.NewTestServiceClient(conn).UnaryCall(t.Context(), &testpb.SimpleRequest{})
			stop()
			span := back.span(t)
			if got := attr(span, "rpc.response.status_code"); got != c.code || (span.Status().Code == codes.Error) != c.failed {
				t.Errorf("code %s, span status %v; want %s, failed %v", got, span.Status().Code, c.code, c.failed)
			}
			if l := back.log.all(t); len(l) != 1 || l[0]["level"] != c.level || l[0]["status"] != c.code {
				t.Errorf("log %v", l)
			}
		})
	}
}

// Health checks would drown the signal.
func TestFault13HealthChecksAreLeftOutByDefault(t *testing.T) {
	back := newSide(t, "back")
	conn, stop := serve(t, &service{}, back, nil)
	if _, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	stop()
	if n := len(back.spans.Ended()); n != 0 || len(back.log.all(t)) != 0 {
		t.Errorf("a health check left %d spans and %d lines", n, len(back.log.all(t)))
	}
}

func TestSignalsAreExcludedOneByOne(t *testing.T) {
	for _, excluded := range []hop.Signals{hop.Traces, hop.Metrics, hop.Logs, hop.Traces | hop.Logs, hop.AllSignals} {
		back := newSide(t, "back")
		inFlight := uint64(0)
		conn, stop := serve(t, &service{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			inFlight = uint64(back.gauge(t, "rpc_server_active_requests"))
			return &testpb.SimpleResponse{}, nil
		}}, back, nil, grpcmw.WithExcludeSignals(func(string) hop.Signals { return excluded }))
		if _, err := testpb.NewTestServiceClient(conn).UnaryCall(t.Context(), &testpb.SimpleRequest{}); err != nil {
			t.Fatal(err)
		}
		stop()
		has := func(s hop.Signals) uint64 {
			if excluded&s != 0 {
				return 0
			}
			return 1
		}
		spans, lines := uint64(len(back.spans.Ended())), uint64(len(back.log.all(t)))
		if spans != has(hop.Traces) || lines != has(hop.Logs) {
			t.Errorf("without %03b: %d spans, %d lines", excluded, spans, lines)
		}
		_, own := back.sum(t, "rpc_server_call_duration_seconds", nil)
		_, hops := back.sum(t, "hop_duration_seconds", nil)
		if want := has(hop.Metrics); own != want || hops != want || inFlight != want {
			t.Errorf("without %03b: %d of the transport, %d of the hop, %d in flight", excluded, own, hops, inFlight)
		}
		if left := back.gauge(t, "rpc_server_active_requests"); left != 0 {
			t.Errorf("without %03b: %v in flight at the end", excluded, left)
		}
	}
}

// Context of an untrusted caller becomes a link.
func TestFault12PublicEdgeStartsATraceOfItsOwn(t *testing.T) {
	back := newSide(t, "back")
	var entry string
	conn, stop := serve(t, &service{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		entry = adapter.FromContext(ctx).Entry()
		return &testpb.SimpleResponse{}, nil
	}}, back, nil, grpcmw.WithPublicEdge())
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"baggage", "hop.entry=GET%20%2Fadmin,hop.start=1")
	if _, err := testpb.NewTestServiceClient(conn).UnaryCall(ctx, &testpb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	stop()
	span := back.span(t)
	if span.SpanContext().TraceID().String() == "0af7651916cd43dd8448eb211c80319c" || len(span.Links()) != 1 || entry != unaryMethod {
		t.Errorf("trace %s, %d links, entry %q", span.SpanContext().TraceID(), len(span.Links()), entry)
	}
}

func TestFaultIsTheHandlersOwnTime(t *testing.T) {
	back := newSide(t, "back")
	inject := chaos.New()
	if _, err := inject.Inject(chaos.Fault{Kind: "latency", Latency: chaos.Duration(50 * time.Millisecond), Operation: unaryMethod}); err != nil {
		t.Fatal(err)
	}
	conn, stop := serve(t, &service{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		return &testpb.SimpleResponse{}, nil
	}}, back, nil, grpcmw.WithChaos(inject))
	if _, err := testpb.NewTestServiceClient(conn).UnaryCall(t.Context(), &testpb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := inject.Inject(chaos.Fault{Kind: "error", Code: "UNAVAILABLE"}); err != nil {
		t.Fatal(err)
	}
	_, err := testpb.NewTestServiceClient(conn).UnaryCall(t.Context(), &testpb.SimpleRequest{})
	stop()
	if status.Code(err) != grpccodes.Unavailable {
		t.Errorf("the injected error is %v", err)
	}
	if self, _ := back.sum(t, "hop_self_duration_seconds", nil); self < .05 {
		t.Errorf("self time %v s, the delay is 0.05 s at least", self)
	}
}

func TestMalformedMetadataDoesNotFailACall(t *testing.T) {
	back := newSide(t, "back")
	conn, stop := serve(t, &service{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		return &testpb.SimpleResponse{}, nil
	}}, back, nil)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "zz-"+strings.Repeat("g", 300), "tracestate", ",,=",
		"baggage", strings.Repeat("a=b,", 1000), "x-correlation-id", strings.Repeat("x", 4000))
	if _, err := testpb.NewTestServiceClient(conn).UnaryCall(ctx, &testpb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	stop()
	if id := attr(back.span(t), "correlation_id"); len(id) != 36 {
		t.Errorf("correlation ID %q, want a generated one", id)
	}
}

func TestWrongUsePanicsAtConstruction(t *testing.T) {
	for why, f := range map[string]func(){
		"nil option":       func() { grpcmw.ServerOptions(nil) },
		"nil telemetry":    func() { grpcmw.WithTelemetry(nil) },
		"nil exclude func": func() { grpcmw.WithExclude(nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", why)
				}
			}()
			f()
		}()
	}
}
