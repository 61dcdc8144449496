package grpcmw_test

import (
	"context"
	"testing"

	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
)

// A proxy copies the metadata of its call. A tracestate belongs to the traceparent that
// it came with: it must not go on with another one.
func TestAProxyDoesNotMixTraceContexts(t *testing.T) {
	front, back := newSide(t, "front"), newSide(t, "back")
	conn, stop := serve(t, &service{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		return &testpb.SimpleResponse{}, nil
	}}, back, front)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate", "vendor=1")
	if _, err := testpb.NewTestServiceClient(conn).UnaryCall(ctx, &testpb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	stop()
	sc := back.span(t).SpanContext()
	if sc.TraceID() != front.spans.Ended()[0].SpanContext().TraceID() {
		t.Error("the server is in another trace than the client")
	}
	if s := sc.TraceState().String(); s != "" {
		t.Errorf("tracestate %q of another trace", s)
	}
}
