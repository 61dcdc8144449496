package setup

import (
	"context"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"
)

// passthrough is the tracer provider of a service that exports no spans. Below a
// caller's span it starts none, so that the next service gets the caller's context.
// Without a caller it starts an unsampled trace, for log lines and the next service.
type passthrough struct {
	embedded.TracerProvider
	roots trace.TracerProvider
}

func (p passthrough) Tracer(name string, opts ...trace.TracerOption) trace.Tracer {
	return passthroughTracer{roots: p.roots.Tracer(name, opts...)}
}

type passthroughTracer struct {
	embedded.Tracer
	noop  noop.Tracer
	roots trace.Tracer
}

func (t passthroughTracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	if trace.SpanContextFromContext(ctx).IsValid() {
		return t.noop.Start(ctx, name, opts...)
	}
	return t.roots.Start(ctx, name, opts...)
}
