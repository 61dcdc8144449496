package grpcmw_test

import (
	"context"
	"testing"
	"time"

	otelcodes "go.opentelemetry.io/otel/codes"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/middleware/grpcmw"
)

// A caller that gives up is no error of the server; a deadline that passes is. The caller
// counts both as its own errors.
func TestCancelAndDeadline(t *testing.T) {
	for _, c := range []struct {
		why    string
		end    func(context.Context) (context.Context, context.CancelFunc)
		code   codes.Code
		name   string
		failed bool
	}{
		{"the caller cancels", context.WithCancel, codes.Canceled, "CANCELLED", false},
		{"the deadline passes", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 50*time.Millisecond)
		}, codes.DeadlineExceeded, "DEADLINE_EXCEEDED", true},
	} {
		t.Run(c.why, func(t *testing.T) {
			back, front := newSide(t, "payment"), newSide(t, "shop")
			ctx, cancel := c.end(t.Context())
			defer cancel()
			ended := make(chan struct{})
			client := dialServer(t, func(ctx context.Context) error {
				defer close(ended)
				if c.code == codes.Canceled {
					cancel()
				}
				<-ctx.Done()
				return status.Error(c.code, "") // at a deadline the caller's cancellation may arrive first
			}, grpcmw.ServerOptions(grpcmw.WithTelemetry(back.Telemetry)), grpcmw.DialOptions("payment", grpcmw.WithTelemetry(front.Telemetry)))
			if _, err := client.EmptyCall(ctx, &testpb.Empty{}); status.Code(err) != c.code {
				t.Fatal(err)
			}
			<-ended
			for range 500 { // the interceptor returns after the handler
				if len(back.spans.Ended()) > 0 {
					break
				}
				time.Sleep(time.Millisecond)
			}
			server := back.span(t)
			if attr(server, "error.type") != c.name || (server.Status().Code == otelcodes.Error) != c.failed {
				t.Errorf("the server's span has error.type %q and status %v", attr(server, "error.type"), server.Status())
			}
			if call := front.span(t); attr(call, "error.type") != c.name || call.Status().Code != otelcodes.Error {
				t.Errorf("the caller's span has error.type %q and status %v", attr(call, "error.type"), call.Status())
			}
		})
	}
}
