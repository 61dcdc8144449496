package grpcmw

import (
	"context"
	"io"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/tenhop/tenhop/middleware/hop"
)

type discard struct{ sdktrace.SpanExporter }

func (discard) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (discard) Shutdown(context.Context) error                             { return nil }

func quietTelemetry(tb testing.TB) *hop.Telemetry {
	tb.Helper()
	tp := sdktrace.NewTracerProvider(sdktrace.WithBatcher(discard{}))
	tb.Cleanup(func() { _ = tp.Shutdown(context.Background()) })
	t, err := hop.New(hop.WithServiceName("bench"), hop.WithRegistry(prometheus.NewRegistry()),
		hop.WithZerolog(zerolog.New(io.Discard)), hop.WithTracerProvider(tp))
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func incomingContext(flags string) context.Context {
	return metadata.NewIncomingContext(context.Background(), metadata.MD{
		"traceparent":      {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-" + flags},
		"x-correlation-id": {"0198c1f2-7b61-7c50-8000-0123456789ab"},
	})
}

// The allocations of a measured call are a promise: see docs/middleware/grpc.md.
func TestServerAllocations(t *testing.T) {
	for _, c := range []struct {
		name, flags string
		most        float64
	}{{"sampled", "01", 22}, {"unsampled", "00", 11}} {
		s := newServer(configure([]Option{WithTelemetry(quietTelemetry(t))}))
		ctx, info := incomingContext(c.flags), &grpc.UnaryServerInfo{FullMethod: "/tenhop.v1.Payment/Charge"}
		got := testing.AllocsPerRun(200, func() {
			_, _ = s.unary(ctx, nil, info, func(context.Context, any) (any, error) { return nil, nil })
		})
		t.Logf("%s: %v allocations", c.name, got)
		if got > c.most && !raceEnabled {
			t.Errorf("%s: %v allocations, at most %v", c.name, got, c.most)
		}
	}
}

func BenchmarkServer(b *testing.B) {
	for name, flags := range map[string]string{"sampled": "01", "unsampled": "00"} {
		b.Run(name, func(b *testing.B) {
			s := newServer(configure([]Option{WithTelemetry(quietTelemetry(b))}))
			ctx, info := incomingContext(flags), &grpc.UnaryServerInfo{FullMethod: "/tenhop.v1.Payment/Charge"}
			b.ReportAllocs()
			for b.Loop() {
				_, _ = s.unary(ctx, nil, info, func(context.Context, any) (any, error) { return nil, nil })
			}
		})
	}
}
