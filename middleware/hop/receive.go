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
		r.choose(one(in.Header["X-Correlation-Id"]), one(in.Header["X-Request-Id"]))
		if t.w3c {
			r.remote = parseTraceparent(one(in.Header["Traceparent"]), joined(in.Header["Tracestate"]))
		}
		carrier = propagation.HeaderCarrier(in.Header)
	} else if carrier != nil {
		r.carried = readBaggage(carrier.Get(headerBaggage))
		r.choose(carrier.Get(correlationKey), carrier.Get(requestIDKey))
		if t.w3c {
			r.remote = parseTraceparent(carrier.Get(headerTraceparent), carrier.Get(headerTracestate))
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

// choose takes the correlation header when it is valid, else the request ID.
func (r *received) choose(correlation, requestID string) {
	if ValidCorrelationID(correlation) {
		r.correlation = correlation
	} else if correlation == "" && ValidCorrelationID(requestID) {
		r.correlation = requestID
	} else if correlation != "" || requestID != "" {
		r.correlation = "" // a bad header: baggage counts only when there is none
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
