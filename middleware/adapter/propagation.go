package adapter

import (
	"context"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/internal/wire"
)

// Inject writes trace context, correlation ID and baggage into the headers of an
// outgoing message. ctx must be the context that BeginCall returned.
func (c *ClientCall) Inject(ctx context.Context, carrier propagation.TextMapCarrier) {
	if c.core.w3c {
		c.core.injectW3C(ctx, carrier)
	} else {
		c.core.propagator.Inject(ctx, carrier)
	}
	injectMetadata(ctx, carrier, c.async)
}

// InjectWith is like Inject but uses another format of trace context, such as B3.
func (c *ClientCall) InjectWith(ctx context.Context, p propagation.TextMapPropagator, carrier propagation.TextMapCarrier) {
	p.Inject(ctx, carrier)
	injectMetadata(ctx, carrier, c.async)
}

// InjectHeader is like Inject but writes HTTP headers with canonical keys. It
// modifies h. It makes one allocation for all values and one per value that it
// formats.
func (c *ClientCall) InjectHeader(ctx context.Context, h http.Header) {
	if !c.core.w3c {
		c.Inject(ctx, propagation.HeaderCarrier(h))
		return
	}
	values := make([]string, 0, 4)
	set := func(key, value string) {
		values = append(values, value)
		h[key] = values[len(values)-1 : len(values) : len(values)]
	}
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		set("Traceparent", wire.Traceparent(sc))
		if sc.TraceState().Len() > 0 {
			set("Tracestate", sc.TraceState().String())
		}
	}
	if id := CorrelationID(ctx); id != "" {
		set("X-Correlation-Id", id)
	}
	if b := baggageHeader(ctx, c.async); b != "" {
		set("Baggage", b)
	}
}

func (t *Core) injectW3C(ctx context.Context, carrier propagation.TextMapCarrier) {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return
	}
	carrier.Set(wire.HeaderTraceparent, wire.Traceparent(sc))
	if sc.TraceState().Len() > 0 {
		carrier.Set(wire.HeaderTracestate, sc.TraceState().String())
	}
}

func injectMetadata(ctx context.Context, carrier propagation.TextMapCarrier, async bool) {
	if id := CorrelationID(ctx); id != "" {
		carrier.Set(wire.HeaderCorrelation, id)
	}
	if b := baggageHeader(ctx, async); b != "" {
		carrier.Set(wire.HeaderBaggage, b)
	}
}

// baggageHeader returns the baggage of calls made in ctx: the hop's members and
// those that the user set with OpenTelemetry's API.
func baggageHeader(ctx context.Context, async bool) string {
	user := baggage.FromContext(ctx)
	h := FromContext(ctx)
	if h == nil {
		r, ok := restored(ctx)
		if !ok {
			return user.String()
		}
		r.Async = r.Async || async
		r.Foreign = user.String()
		return r.Header(r.Entry)
	}
	c := h.metadata
	c.Async = c.Async || async
	entry := h.Entry()
	if user.Len() > 0 || c.Foreign != "" {
		c.Foreign = user.String()
		return c.Header(entry)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.operation == "" && h.entry == "" { // not known yet
		return c.Header(entry)
	}
	kept := &h.outgoing[0]
	if c.Async {
		kept = &h.outgoing[1]
	}
	if *kept == "" {
		*kept = c.Header(entry)
	}
	return *kept
}

// received holds the request metadata and the span context of a message.
type received struct {
	wire.Metadata
	remote trace.SpanContext
}

// receive reads trace context, correlation ID and baggage. It never fails and
// bounds what it takes from a caller.
func (t *Core) receive(in *Incoming) received {
	var r received
	carrier := in.Carrier
	if in.Header != nil {
		// The keys are canonical: read the map without the cost of Get.
		r.Metadata = wire.ReadBaggage(joined(in.Header["Baggage"]))
		id := one(in.Header["X-Correlation-Id"])
		if id == "" {
			id = one(in.Header["X-Request-Id"])
		}
		r.choose(id)
		if t.w3c {
			r.remote = wire.ParseTraceparent(one(in.Header["Traceparent"]), joined(in.Header["Tracestate"]))
		}
		carrier = propagation.HeaderCarrier(in.Header)
	} else if carrier != nil {
		r.Metadata = wire.ReadBaggage(carrier.Get(wire.HeaderBaggage))
		id := carrier.Get(wire.HeaderCorrelation)
		if id == "" {
			id = carrier.Get(wire.HeaderRequestID)
		}
		r.choose(id)
		if t.w3c {
			// Looking up an absent header is expensive in some carriers.
			if parent := carrier.Get(wire.HeaderTraceparent); parent != "" {
				r.remote = wire.ParseTraceparent(parent, carrier.Get(wire.HeaderTracestate))
			}
		}
	}
	if carrier == nil {
		return r
	}
	if !t.w3c {
		r.extract(t.propagator, carrier)
	}
	for _, p := range t.accept {
		if r.remote.IsValid() {
			break
		}
		r.extract(p, carrier)
	}
	return r
}

// choose sets the correlation ID to that of a header when it is valid. An invalid
// one discards the ID in baggage too.
func (r *received) choose(id string) {
	switch {
	case wire.ValidCorrelationID(id):
		r.Correlation = id
	case id != "":
		r.Correlation = ""
	}
}

// extract reads trace context and baggage in another format.
func (r *received) extract(p propagation.TextMapPropagator, carrier propagation.TextMapCarrier) {
	ctx := p.Extract(context.Background(), carrier)
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		r.remote = sc
	}
	bag := baggage.FromContext(ctx)
	if bag.Len() == 0 || r.Foreign != "" {
		return
	}
	c := wire.ReadBaggage(bag.String())
	r.Foreign = c.Foreign
	if r.Correlation == "" {
		r.Correlation = c.Correlation
	}
	if r.Entry == "" {
		r.Entry, r.EntryStart, r.Async = c.Entry, c.EntryStart, c.Async
	}
}

func one(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// joined returns the values of a repeated header as one.
func joined(values []string) string {
	switch len(values) {
	case 0:
		return ""
	case 1:
		return values[0]
	}
	size := 0
	for i, v := range values {
		if size += len(v) + 1; size > wire.MaxBaggageBytes {
			values = values[:i]
			break
		}
	}
	return strings.Join(values, ",")
}

// withForeign makes the members of other libraries available to OpenTelemetry's
// baggage API.
func withForeign(ctx context.Context, foreign string) context.Context {
	if foreign == "" {
		return ctx
	}
	bag, err := baggage.Parse(foreign)
	if err != nil {
		return ctx
	}
	return baggage.ContextWithBaggage(ctx, bag)
}
