package hop

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// NestedPropagator returns a propagator for otel.SetTextMapPropagator that reads and
// writes as p does, except for other instrumentation within a measured handler, such as
// an otelhttp handler: it reads the caller's trace context from the request again, and
// its span would be a sibling of the hop's. It becomes a child. Package setup uses it.
func NestedPropagator(p propagation.TextMapPropagator) propagation.TextMapPropagator {
	if p == nil {
		panic("hop: NestedPropagator: nil propagator")
	}
	return nestedPropagator{p}
}

type nestedPropagator struct{ propagation.TextMapPropagator }

// Extract implements propagation.TextMapPropagator.
func (p nestedPropagator) Extract(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	local := trace.SpanContextFromContext(ctx)
	ctx2 := p.TextMapPropagator.Extract(ctx, carrier)
	if _, ok := carrier.(propagation.HeaderCarrier); !ok || !local.IsValid() || local.IsRemote() {
		return ctx2
	}
	if remote := trace.SpanContextFromContext(ctx2); remote.IsRemote() && remote.TraceID() == local.TraceID() {
		return trace.ContextWithSpan(ctx2, trace.SpanFromContext(ctx))
	}
	return ctx2
}
