package grpcmw_test

import (
	"context"
	"io"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	grpccodes "google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/middleware/adapter"
)

type mapCarrier map[string]string

func (m mapCarrier) Get(k string) string { return m[k] }
func (m mapCarrier) Set(k, v string)     { m[k] = v }
func (m mapCarrier) Keys() []string      { return nil }

func attributeKey(k string) attribute.Key { return attribute.Key(k) }

// A stream's life is neither the client's wait nor the server's self time: only
// what blocks counts.
func TestFault14StreamCountsOnlyBlockedTime(t *testing.T) {
	const idle = 80 * time.Millisecond
	front, back := newSide(t, "front"), newSide(t, "back")
	conn, stop := serve(t, &service{duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
		for {
			if _, err := ss.Recv(); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			if err := ss.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
				return err
			}
		}
	}}, back, front)
	ctx, h := front.Core().Begin(t.Context(), adapter.Incoming{Protocol: "http", Operation: "GET /x", SpanKind: trace.SpanKindServer})
	cs, err := testpb.NewTestServiceClient(conn).FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := cs.Send(&testpb.StreamingOutputCallRequest{}); err != nil {
			t.Fatal(err)
		}
		if _, err := cs.Recv(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(idle) // self time of the front while the stream is open
	}
	_ = cs.CloseSend()
	if _, err := cs.Recv(); err != io.EOF {
		t.Fatal(err)
	}
	stop()
	got := h.End(adapter.Outcome{Quiet: true})
	if got.Self < 2*idle {
		t.Errorf("front: self %v, want its own %v in it", got.Self, 2*idle)
	}
	whole, _ := back.sum(t, "hop_duration_seconds", nil)
	self, n := back.sum(t, "hop_self_duration_seconds", nil)
	link, _ := back.sum(t, "hop_wait_duration_seconds", map[string]string{"dependency_kind": "caller"})
	if n != 1 || link < (2*idle).Seconds() || self > whole-(2*idle).Seconds() {
		t.Errorf("back: whole %v, self %v, link %v", whole, self, link)
	}
	if s := back.span(t); s.Name() != duplexMethod || attr(s, "rpc.response.status_code") != "OK" {
		t.Errorf("span %s %v", s.Name(), s.Attributes())
	}
	if _, n := front.sum(t, "rpc_client_call_duration_seconds", map[string]string{"rpc_response_status_code": "OK"}); n != 1 {
		t.Errorf("client histogram counts %d", n)
	}
}

// A client span that nobody ends ends with its hop.
func TestFault08AbandonedStreamEndsWithItsHop(t *testing.T) {
	front, back := newSide(t, "front"), newSide(t, "back")
	conn, _ := serve(t, &service{output: func(_ *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
		<-ss.Context().Done()
		return ss.Context().Err()
	}}, back, front)
	streamCtx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ctx, h := front.Core().Begin(streamCtx, adapter.Incoming{Protocol: "http", Operation: "GET /x", SpanKind: trace.SpanKindServer})
	if _, err := testpb.NewTestServiceClient(conn).StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{}); err != nil {
		t.Fatal(err)
	}
	h.End(adapter.Outcome{Quiet: true})
	if n := len(front.spans.Ended()); n != 2 {
		t.Errorf("%d spans ended with the hop, want its own and the stream's", n)
	}
}

// A stream whose context ends has a span, with the caller's outcome.
func TestFault14CancelledStreamEndsWithItsContext(t *testing.T) {
	front, back := newSide(t, "front"), newSide(t, "back")
	conn, stop := serve(t, &service{output: func(_ *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
		if err := ss.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
			return err
		}
		<-ss.Context().Done()
		return ss.Context().Err()
	}}, back, front)
	ctx, cancel := context.WithCancel(t.Context())
	cs, err := testpb.NewTestServiceClient(conn).StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cs.Recv(); err != nil { // the handler runs
		t.Fatal(err)
	}
	cancel()
	if _, err := cs.Recv(); status.Code(err) != grpccodes.Canceled {
		t.Fatal(err)
	}
	stop()
	if s := back.span(t); s.Name() != outputMethod || attr(s, "rpc.response.status_code") != "CANCELLED" || s.Status().Code == codes.Error {
		t.Errorf("server span %s %v %v", s.Name(), s.Attributes(), s.Status())
	}
	if s := front.span(t); attr(s, "rpc.response.status_code") != "CANCELLED" {
		t.Errorf("client span %v", s.Attributes())
	}
}

func TestFault07StreamPanicIsInternal(t *testing.T) {
	back := newSide(t, "back")
	conn, stop := serve(t, &service{duplex: func(testpb.TestService_FullDuplexCallServer) error { panic("secret") }}, back, nil)
	cs, err := testpb.NewTestServiceClient(conn).FullDuplexCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = cs.Recv(); status.Code(err) != grpccodes.Internal || status.Convert(err).Message() != "internal error" {
		t.Errorf("the client got %v", err)
	}
	stop()
	if s := back.span(t); attr(s, "error.type") != "panic" {
		t.Errorf("span %v", s.Attributes())
	}
}
