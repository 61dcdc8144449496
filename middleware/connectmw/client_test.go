package connectmw_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/connectmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// within runs f as part of a hop and returns the hop's timing.
func within(t *testing.T, rec *mwtest.Recorder, f func(context.Context)) adapter.Timing {
	t.Helper()
	ctx, h := rec.Telemetry.Core().Begin(t.Context(), adapter.Incoming{Protocol: "http", Operation: "GET /x", SpanKind: trace.SpanKindServer})
	f(ctx)
	return h.End(adapter.Outcome{Quiet: true})
}

func clientOf(rec *mwtest.Recorder) connect.ClientOption {
	return connect.WithInterceptors(connectmw.ClientInterceptor("back", connectmw.WithTelemetry(rec.Telemetry)))
}

// A stream that is open and idle is not a wait. Its span has the code of the stream.
func TestClientStreamCountsBlockedTime(t *testing.T) {
	const idle, slow = 60 * time.Millisecond, 40 * time.Millisecond
	for protocol, p := range protocols {
		t.Run(protocol, func(t *testing.T) {
			rec := mwtest.New(t)
			client, url := serve(t, cart{output: func(_ context.Context, _ *connect.Request[empty], s *connect.ServerStream[text]) error {
				_ = s.Send(&text{})
				time.Sleep(slow + idle)
				return connect.NewError(connect.CodeResourceExhausted, errors.New("secret"))
			}}.mux())
			timing := within(t, rec, func(ctx context.Context) {
				s, err := connect.NewClient[empty, text](client, url+outputProcedure, p.option, clientOf(rec)).CallServerStream(ctx, connect.NewRequest(&empty{}))
				if err != nil {
					t.Fatal(err)
				}
				s.Receive()
				time.Sleep(idle)
				for s.Receive() {
				}
				if connect.CodeOf(s.Err()) != connect.CodeResourceExhausted {
					t.Error(s.Err())
				}
				_ = s.Close()
			})
			if timing.Self < idle {
				t.Errorf("self %v, want at least %v", timing.Self, idle)
			}
			if wait := rec.Sum("hop_wait_duration_seconds", "dependency", "back"); wait < (slow / 2).Seconds() {
				t.Errorf("wait %v", wait)
			}
			want := map[string]string{"connectrpc": "resource_exhausted", "grpc": "RESOURCE_EXHAUSTED"}[p.system]
			rec.Span(operationOf(outputProcedure)).Want("rpc.response.status_code", want).Want("rpc.system.name", p.system).Want("peer.service", "back")
			if n := rec.Count("rpc_client_call_duration_seconds", "rpc_response_status_code", want, "dependency", "back"); n != 1 {
				t.Errorf("rpc_client_call_duration_seconds counts %d", n)
			}
		})
	}
}

// A stream that nobody ends, ends with its hop; one whose context ends, with that.
func TestStreamsEnd(t *testing.T) {
	for _, cancelled := range []bool{false, true} {
		rec := mwtest.New(t)
		client, url := serve(t, cart{output: func(ctx context.Context, _ *connect.Request[empty], s *connect.ServerStream[text]) error {
			_ = s.Send(&text{})
			<-ctx.Done()
			return ctx.Err()
		}}.mux())
		streamCtx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ctx, h := rec.Telemetry.Core().Begin(streamCtx, adapter.Incoming{Protocol: "http", Operation: "GET /x", SpanKind: trace.SpanKindServer})
		s, err := connect.NewClient[empty, text](client, url+outputProcedure, clientOf(rec)).CallServerStream(ctx, connect.NewRequest(&empty{}))
		if err != nil {
			t.Fatal(err)
		}
		s.Receive()
		want := ""
		if cancelled {
			want = "canceled"
			cancel()
			for s.Receive() {
			}
		}
		h.End(adapter.Outcome{Quiet: true})
		if n := rec.OpenSpans(); n != 0 {
			t.Errorf("%d spans are open", n)
		}
		rec.Span(operationOf(outputProcedure)).Want("error.type", want)
		cancel()
		_ = s.Close()
	}
}

// Headers of the caller stay, and a request that is sent again carries the second hop's.
func TestRequestsCanBeSentAgain(t *testing.T) {
	rec, seen := mwtest.New(t), []http.Header{}
	client, url := serve(t, cart{unary: func(_ context.Context, r *connect.Request[empty]) (*connect.Response[empty], error) {
		seen = append(seen, r.Header().Clone())
		return connect.NewResponse(&empty{}), nil
	}}.mux())
	rpc := connect.NewClient[empty, empty](client, url+unaryProcedure, clientOf(rec))
	req := connect.NewRequest(&empty{})
	req.Header().Set("Authorization", "Bearer x")
	for range 2 {
		within(t, rec, func(ctx context.Context) {
			if _, err := rpc.CallUnary(ctx, req); err != nil {
				t.Fatal(err)
			}
		})
	}
	if a, b := seen[0].Get("X-Correlation-ID"), seen[1].Get("X-Correlation-ID"); a == "" || a == b || len(seen[1]["X-Correlation-Id"]) != 1 {
		t.Errorf("correlation IDs %q and %q", a, b)
	}
	if seen[1].Get("Authorization") != "Bearer x" || req.Header().Get("Traceparent") != "" {
		t.Errorf("the request's headers are %v", req.Header())
	}
}

// A caller's own correlation ID of a stream counts, and is sent once.
func TestStreamHasOneCorrelationID(t *testing.T) {
	rec, seen := mwtest.New(t), make(chan http.Header, 1)
	client, url := serve(t, cart{upload: func(_ context.Context, s *connect.ClientStream[text]) (*connect.Response[empty], error) {
		seen <- s.RequestHeader().Clone()
		for s.Receive() {
		}
		return connect.NewResponse(&empty{}), s.Err()
	}}.mux())
	within(t, rec, func(ctx context.Context) {
		s := connect.NewClient[text, empty](client, url+uploadProcedure, clientOf(rec)).CallClientStream(ctx)
		s.RequestHeader().Set("X-Correlation-ID", "order-42")
		if err := s.Send(&text{}); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if _, err := s.CloseAndReceive(); err != nil {
			t.Fatal(err)
		}
	})
	h := <-seen
	if ids := h["X-Correlation-Id"]; len(ids) != 1 || ids[0] != "order-42" || h.Get("Traceparent") == "" {
		t.Errorf("the server got %v", h)
	}
	rec.Span(operationOf(uploadProcedure)).Want("error.type", "")
}
