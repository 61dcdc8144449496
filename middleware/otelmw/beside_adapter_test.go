package otelmw_test

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/otelmw"
)

// An adapter whose own spans the processor does not see may be around or within a span of
// other instrumentation: it was given another tracer provider, or leaves traces out. Each
// message is one hop then, too, and its calls end once.
func TestAdapterWithoutSpansOfItsOwn(t *testing.T) {
	remote := trace.ContextWithRemoteSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
	}))
	server := func(ctx context.Context, tracer trace.Tracer, f func(context.Context)) {
		ctx, span := tracer.Start(ctx, "GET /a", trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(attribute.String("http.request.method", "GET"), attribute.String("http.route", "/a")))
		f(ctx)
		span.End()
	}
	call := func(ctx context.Context, tracer trace.Tracer) {
		_, span := tracer.Start(ctx, "SELECT", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("db.system", "sqlite")))
		span.End()
	}
	for name, skip := range map[string]adapter.Signals{"other provider": 0, "traces left out": adapter.Traces} {
		for _, order := range []string{"adapter within", "adapter around", "adapter around, no caller"} {
			t.Run(name+"/"+order, func(t *testing.T) {
				reg := prometheus.NewRegistry()
				tel, err := hop.New(hop.WithServiceName("shop"), hop.WithRegistry(reg), hop.WithTracerProvider(noop.NewTracerProvider()))
				if err != nil {
					t.Fatal(err)
				}
				tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(otelmw.NewSpanProcessor(otelmw.WithTelemetry(tel))))
				b := &bed{t: t, reg: reg}
				tracer := tp.Tracer("other")
				in := adapter.Incoming{Protocol: "http", Operation: "GET /a", SpanKind: trace.SpanKindServer, Skip: skip}
				adapted := func(ctx context.Context, f func(context.Context)) {
					ctx, h := tel.Core().Begin(ctx, in)
					f(ctx)
					h.End(adapter.Outcome{Quiet: true})
				}
				work := func(ctx context.Context) { call(ctx, tracer); call(ctx, tracer) }
				switch order {
				case "adapter within":
					server(remote, tracer, func(ctx context.Context) { adapted(ctx, work) })
				case "adapter around":
					adapted(remote, func(ctx context.Context) { server(ctx, tracer, work) })
				default:
					adapted(context.Background(), func(ctx context.Context) { server(ctx, tracer, work) })
				}
				if n, _ := b.histogram("hop_duration_seconds"); n != 1 {
					t.Errorf("the message counts as %d hops", n)
				}
				if n, _ := b.histogram("hop_wait_duration_seconds", "dependency", "sqlite"); n != 1 {
					t.Errorf("the hop has %d waits for the database", n)
				}
				if n, _ := b.histogram("db_client_operation_duration_seconds"); n != 2 {
					t.Errorf("%d calls of the database, want 2", n)
				}
			})
		}
	}
}
