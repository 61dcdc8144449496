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
	values := make([]string, 0, 5)
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
	id := CorrelationID(ctx)
	if id != "" {
		if set := h["X-Correlation-Id"]; len(set) > 0 && wire.ValidCorrelationID(set[0]) {
			id = "" // the caller's own
			h["X-Correlation-Id"] = set[:1:1]
		}
	}
	if id != "" {
		set("X-Correlation-Id", id)
	}
	if hop := FromContext(ctx); hop != nil && hop.requestID && len(h["X-Request-Id"]) == 0 {
		set("X-Request-Id", hop.metadata.Correlation)
	}
	if b := mergeBaggage(ctx, baggageHeader(ctx, c.async), joined(h["Baggage"])); b != "" {
		set("Baggage", b)
	}
}

// inOrder returns a baggage header with the members that were received first, in their
// order, when not all may be sent on. baggage.Baggage has no order of its own.
func inOrder(header, received string) string {
	if received == "" || strings.Count(header, ",")+8 < wire.MaxBaggageMembers && len(header) < wire.MaxBaggageBytes/2 {
		return header
	}
	members := map[string]string{}
	var keys []string
	for member := range strings.SplitSeq(header, ",") {
		key, _, _ := strings.Cut(member, "=")
		members[key] = member
		keys = append(keys, key)
	}
	var ordered []string
	take := func(key string) {
		if member, ok := members[key]; ok {
			ordered = append(ordered, member)
			delete(members, key)
		}
	}
	for member := range strings.SplitSeq(received, ",") {
		key, _, _ := strings.Cut(member, "=")
		take(strings.Trim(key, " \t"))
	}
	for _, key := range keys {
		take(key)
	}
	return strings.Join(ordered, ",")
}

// mergeBaggage appends the members that the caller set on a message by hand to those
// of the request. Members of this library and those that b has are left out, and so are
// those that a proxy has copied from a public caller.
func mergeBaggage(ctx context.Context, b, byHand string) string {
	if byHand == "" {
		return b
	}
	ignored := ""
	if h := FromContext(ctx); h != nil && h.ignored != "" {
		ignored = "," + h.ignored + ","
	}
	have := wire.ReadBaggage(b).Foreign
	for _, member := range strings.Split(wire.ReadBaggage(byHand).Foreign, ",") {
		key, _, _ := strings.Cut(member, "=")
		if member == "" || wire.HasMember(have, strings.TrimRight(key, " \t")) || ignored != "" && strings.Contains(ignored, ","+member+",") {
			continue
		}
		if len(b)+1+len(member) > wire.MaxBaggageBytes {
			break
		}
		if b != "" {
			b += ","
		}
		b += member
	}
	return b
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
	b := baggageHeader(ctx, async)
	if !async { // a message that is sent on has the headers of the request that it came with
		b = mergeBaggage(ctx, b, carrier.Get(wire.HeaderBaggage))
	}
	if b != "" {
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
		c.Foreign = inOrder(user.String(), c.Foreign)
		return c.Header(entry)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if entry == "" { // not known yet
		return c.Header(entry)
	}
	if h.outgoingFor != entry {
		h.outgoing, h.outgoingFor = [2]string{}, entry
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
	remote    trace.SpanContext
	requestID bool   // the correlation ID came as X-Request-ID
	ignored   string // baggage of an untrusted caller
}

// receive reads trace context, correlation ID and baggage. It never fails and
// bounds what it takes from a caller.
func (t *Core) receive(in *Incoming) received {
	var r received
	carrier := in.Carrier
	if in.Header != nil {
		// The keys are canonical: read the map without the cost of Get.
		r.read(joined(in.Header["Baggage"]), in.Public)
		id := one(in.Header["X-Correlation-Id"])
		if id == "" {
			id = one(in.Header["X-Request-Id"])
			r.requestID = wire.ValidCorrelationID(id)
		}
		r.choose(id)
		if t.w3c {
			r.remote = wire.ParseTraceparent(one(in.Header["Traceparent"]), joined(in.Header["Tracestate"]))
		}
		carrier = propagation.HeaderCarrier(in.Header)
	} else if carrier != nil {
		r.read(carrier.Get(wire.HeaderBaggage), in.Public)
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
		r.extract(t.propagator, carrier, in.Public)
	}
	for _, p := range t.accept {
		if r.remote.IsValid() {
			break
		}
		r.extract(p, carrier, in.Public)
	}
	return r
}

// read reads baggage. That of a public caller is ignored.
func (r *received) read(header string, public bool) {
	r.Metadata = wire.ReadBaggage(header)
	if public {
		r.Metadata, r.ignored = wire.Metadata{}, r.Foreign
	}
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
func (r *received) extract(p propagation.TextMapPropagator, carrier propagation.TextMapCarrier, public bool) {
	ctx := p.Extract(context.Background(), carrier)
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		r.remote = sc
	}
	bag := baggage.FromContext(ctx)
	if bag.Len() == 0 || r.Foreign != "" || public {
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
			return strings.Join(values[:i+1], ",") // the reader cuts it
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
		bag = parseEach(foreign)
	}
	if bag.Len() == 0 {
		return ctx
	}
	return baggage.ContextWithBaggage(ctx, bag)
}

// parseEach parses the members of a baggage header one by one and leaves out the
// malformed ones.
func parseEach(header string) baggage.Baggage {
	var bag baggage.Baggage
	for member := range strings.SplitSeq(header, ",") {
		one, err := baggage.Parse(member)
		if err != nil {
			continue
		}
		for _, m := range one.Members() {
			if more, err := bag.SetMember(m); err == nil {
				bag = more
			}
		}
	}
	return bag
}
