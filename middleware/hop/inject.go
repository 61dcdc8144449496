package hop

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Inject writes trace context, correlation ID and baggage into the carrier of
// an outgoing message. ctx is the one that BeginCall returned.
func (c *ClientCall) Inject(ctx context.Context, carrier propagation.TextMapCarrier) {
	if c.t.w3c {
		c.t.injectW3C(ctx, carrier)
	} else {
		c.t.propagator.Inject(ctx, carrier)
	}
	injectOwn(ctx, carrier, c.async)
}

// InjectWith is Inject with another form of trace context, such as B3.
func (c *ClientCall) InjectWith(ctx context.Context, p propagation.TextMapPropagator, carrier propagation.TextMapCarrier) {
	p.Inject(ctx, carrier)
	injectOwn(ctx, carrier, c.async)
}

// InjectHeader is Inject into canonical HTTP headers, in one allocation for
// all values and one for each that is made. The map must be the caller's own.
func (c *ClientCall) InjectHeader(ctx context.Context, h http.Header) {
	if !c.t.w3c {
		c.Inject(ctx, propagation.HeaderCarrier(h))
		return
	}
	values := make([]string, 0, 4)
	set := func(key, value string) {
		values = append(values, value)
		h[key] = values[len(values)-1 : len(values) : len(values)]
	}
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		set("Traceparent", traceparent(sc))
		if sc.TraceState().Len() > 0 {
			set("Tracestate", sc.TraceState().String())
		}
	}
	if id := correlationOf(ctx); id != "" {
		set("X-Correlation-Id", id)
	}
	if b := baggageHeader(ctx, c.async); b != "" {
		set("Baggage", b)
	}
}

func (t *Telemetry) injectW3C(ctx context.Context, carrier propagation.TextMapCarrier) {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return
	}
	carrier.Set(headerTraceparent, traceparent(sc))
	if sc.TraceState().Len() > 0 {
		carrier.Set(headerTracestate, sc.TraceState().String())
	}
}

func injectOwn(ctx context.Context, carrier propagation.TextMapCarrier, async bool) {
	if id := correlationOf(ctx); id != "" {
		carrier.Set(correlationKey, id)
	}
	if b := baggageHeader(ctx, async); b != "" {
		carrier.Set(headerBaggage, b)
	}
}

// baggageHeader is the baggage of calls made in ctx: the hop's members and the
// user's own from OpenTelemetry's baggage.
func baggageHeader(ctx context.Context, async bool) string {
	user := baggage.FromContext(ctx)
	h := FromContext(ctx)
	if h == nil {
		r, ok := ctx.Value(restoredKey{}).(carried)
		if !ok {
			return user.String()
		}
		r.async = r.async || async
		r.foreign = user.String()
		return r.header(r.entry)
	}
	c := h.carried
	c.async = c.async || async
	entry := h.Entry()
	if user.Len() > 0 || c.foreign != "" {
		c.foreign = user.String()
		return c.header(entry)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.operation == "" && h.entry == "" { // may still be found
		return c.header(entry)
	}
	kept := &h.outgoing[0]
	if c.async {
		kept = &h.outgoing[1]
	}
	if *kept == "" {
		*kept = c.header(entry)
	}
	return *kept
}
