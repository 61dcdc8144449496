package otlpreceiver

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/stack/otelcol"
)

// encoded sends messages that are encoded already.
type encoded struct{}

func (encoded) Name() string { return "proto" }

func (encoded) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (encoded) Unmarshal([]byte, any) error { return nil }

// A message that was decoded and reaches no handler gives its memory back when its call ends.
func TestUnhandledCallsGiveMemoryBack(t *testing.T) {
	const free = 1 << 20
	td := ptrace.NewTraces()
	list := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for range 1000 { // about 300 KB in memory
		list.AppendEmpty()
	}
	message, err := ptraceotlp.NewExportRequestFromTraces(td).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	r := New(Consumer{Traces: func(context.Context, ptrace.Traces) error {
		t.Error("a message was consumed")
		return nil
	}}, otelcol.New(reg), WithDecodingBytes(free))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = r.ServeGRPC(l) }()
	t.Cleanup(func() { _ = r.Close(context.WithoutCancel(t.Context())) })
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	open := func(ctx context.Context) grpc.ClientStream {
		t.Helper()
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true},
			"/opentelemetry.proto.collector.trace.v1.TraceService/Export", grpc.ForceCodec(encoded{}))
		if err != nil {
			t.Fatal(err)
		}
		return stream
	}
	send := func(stream grpc.ClientStream) {
		t.Helper()
		if err := stream.SendMsg(&message); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}
	held := func() (messages int) {
		r.decoding.held.Range(func(any, any) bool { messages++; return true })
		return messages
	}
	whole := func() bool {
		if held() > 0 || !r.decoding.free.TryAcquire(free) {
			return false
		}
		r.decoding.free.Release(free)
		return true
	}
	eventually := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not so: %s", what)
			}
		}
	}

	for range 3 {
		stream := open(t.Context())
		send(stream)
		send(stream)
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		var reply []byte
		if err := stream.RecvMsg(&reply); status.Code(err) != codes.Internal {
			t.Errorf("a call with two messages ends with %v", err)
		}
		eventually("all memory is free after a call with two messages", whole)
	}
	if n := testutil.CollectAndCount(reg, "tenhop_receiver_bad_requests_total"); n != 1 {
		t.Errorf("%d series of bad requests, want 1: malformed", n)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	send(open(ctx))
	eventually("the message is decoded", func() bool { return held() == 1 })
	cancel()
	eventually("all memory is free after a call was cancelled", whole)
}
