package setup

import (
	"context"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"
)

// passThrough is the tracer provider of a service whose spans are not exported. A caller's
// trace context stays the current one, so that the next service is the child of a span
// that exists. Without a caller, root starts a span: the message gets a trace ID, and the
// services behind it are one trace.
type passThrough struct {
	embedded.TracerProvider
	root trace.TracerProvider
}

var _ trace.TracerProvider = passThrough{}

// Tracer implements trace.TracerProvider.
func (p passThrough) Tracer(name string, options ...trace.TracerOption) trace.Tracer {
	return passThroughTracer{root: p.root.Tracer(name, options...)}
}

type passThroughTracer struct {
	embedded.Tracer
	root trace.Tracer
}

var _ trace.Tracer = passThroughTracer{}

// Start implements trace.Tracer.
func (t passThroughTracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	if trace.SpanContextFromContext(ctx).IsValid() && (len(options) == 0 || !startsRoot(options)) {
		return noop.Tracer{}.Start(ctx, name, options...)
	}
	return t.root.Start(ctx, name, options...)
}

// startsRoot reports whether the caller asked for a trace of its own.
func startsRoot(options []trace.SpanStartOption) bool {
	c := trace.NewSpanStartConfig(options...)
	return c.NewRoot()
}
