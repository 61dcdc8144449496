package hop

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// received is what a message says about the request that it belongs to.
type received struct {
	carried
	remote trace.SpanContext
}

// receive reads trace context, correlation ID and baggage. Whatever a caller
// sends, it neither fails nor grows without bound.
func (t *Telemetry) receive(in *Incoming) received {
	var r received
	carrier := in.Carrier
	if in.Header != nil {
		// Go's server canonicalises header names: read the map as it is.
		r.carried = readBaggage(joined(in.Header["Baggage"]))
		id := one(in.Header["X-Correlation-Id"])
		if id == "" {
			id = one(in.Header["X-Request-Id"])
		}
		r.choose(id)
		if t.w3c {
			r.remote = parseTraceparent(one(in.Header["Traceparent"]), joined(in.Header["Tracestate"]))
		}
		carrier = propagation.HeaderCarrier(in.Header)
	} else if carrier != nil {
		r.carried = readBaggage(carrier.Get(headerBaggage))
		id := carrier.Get(correlationKey)
		if id == "" {
			id = carrier.Get(requestIDKey)
		}
		r.choose(id)
		if t.w3c {
			// A header that is not there is dear to look for in some carriers.
			if parent := carrier.Get(headerTraceparent); parent != "" {
				r.remote = parseTraceparent(parent, carrier.Get(headerTracestate))
			}
		}
	}
	if carrier == nil {
		return r
	}
	if !t.w3c {
		r.foreignContext(t.propagator, carrier)
	}
	for _, p := range t.accept {
		if r.remote.IsValid() {
			break
		}
		r.foreignContext(p, carrier)
	}
	return r
}

// choose takes the ID of a header when it is valid. After a bad one baggage does
// not count either.
func (r *received) choose(id string) {
	switch {
	case ValidCorrelationID(id):
		r.correlation = id
	case id != "":
		r.correlation = ""
	}
}

// foreignContext reads trace context and baggage of another form.
func (r *received) foreignContext(p propagation.TextMapPropagator, carrier propagation.TextMapCarrier) {
	ctx := p.Extract(context.Background(), carrier)
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		r.remote = sc
	}
	bag := baggage.FromContext(ctx)
	if bag.Len() == 0 || r.foreign != "" {
		return
	}
	c := readBaggage(bag.String())
	r.foreign = c.foreign
	if r.correlation == "" {
		r.correlation = c.correlation
	}
	if r.entry == "" {
		r.entry, r.start, r.async = c.entry, c.start, c.async
	}
}

func one(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// joined is a header that may come in several lines, as one.
func joined(values []string) string {
	switch len(values) {
	case 0:
		return ""
	case 1:
		return values[0]
	}
	size := 0
	for i, v := range values {
		if size += len(v) + 1; size > maxBaggageBytes {
			values = values[:i]
			break
		}
	}
	return strings.Join(values, ",")
}
