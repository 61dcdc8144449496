package hop

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
)

// SchemaURL is that of the semantic conventions in use.
const SchemaURL = semconv.SchemaURL

// CorrelationKey is the span attribute and the log field of the correlation ID.
const CorrelationKey = "correlation_id"

// Outgoing describes a call that a hop makes.
type Outgoing struct {
	Dependency Dependency
	SpanName   string
	SpanKind   trace.SpanKind
	Attributes []attribute.KeyValue

	// NoWait leaves the call out of the hop's wait, for calls that nobody waits
	// for and for streams, whose blocked sends and receives count one by one.
	NoWait bool

	// Async marks what is sent to a queue: it begins the asynchronous flow.
	Async bool
}

// ClientCall is a call under way.
type ClientCall struct {
	t     *Telemetry
	span  trace.Span
	start time.Time
	wait  Call
	hop   *Hop
	async bool
}

// BeginCall starts the span and the wait of a call. Inject its context into the
// message with Inject; End must be called once.
func (t *Telemetry) BeginCall(ctx context.Context, out Outgoing) (context.Context, ClientCall) {
	c := ClientCall{t: t, start: t.now(), hop: FromContext(ctx), async: out.Async}
	if !out.NoWait {
		c.wait = c.hop.StartCall(out.Dependency)
	}
	attrs := out.Attributes
	if id := correlationOf(ctx); id != "" {
		attrs = append(attrs[:len(attrs):len(attrs)], attribute.String(CorrelationKey, id))
	}
	ctx, c.span = t.tracer.Start(ctx, out.SpanName, trace.WithSpanKind(out.SpanKind),
		trace.WithTimestamp(c.start), trace.WithAttributes(attrs...))
	return ctx, c
}

// Span returns the call's span.
func (c *ClientCall) Span() trace.Span { return c.span }

// Start returns when the call began.
func (c *ClientCall) Start() time.Time { return c.start }

// End ends the wait and the span and returns the call's duration.
func (c *ClientCall) End(out Outcome) time.Duration {
	c.wait.End()
	now := c.t.now()
	if c.span.IsRecording() {
		if len(out.Attrs) > 0 {
			c.span.SetAttributes(out.Attrs...)
		}
		if out.ErrorType != "" {
			c.span.SetAttributes(semconv.ErrorTypeKey.String(out.ErrorType))
		}
		if out.Failed {
			c.span.SetStatus(codes.Error, "")
		}
	}
	c.span.End(trace.WithTimestamp(now))
	return now.Sub(c.start)
}

// Inject writes trace context, correlation ID and baggage into the carrier of
// an outgoing message.
func (c *ClientCall) Inject(ctx context.Context, carrier propagation.TextMapCarrier) {
	c.t.inject(ctx, c.t.propagator, carrier, c.async)
}

// InjectWith is Inject with another form of trace context, such as B3.
func (c *ClientCall) InjectWith(ctx context.Context, p propagation.TextMapPropagator, carrier propagation.TextMapCarrier) {
	c.t.inject(ctx, p, carrier, c.async)
}

func (t *Telemetry) inject(ctx context.Context, p propagation.TextMapPropagator, carrier propagation.TextMapCarrier, async bool) {
	p.Inject(ctx, carrier)
	if id := correlationOf(ctx); id != "" {
		carrier.Set(CorrelationHeader, id)
	}
	if b := baggageHeader(ctx, async); b != "" {
		carrier.Set("baggage", b)
	}
}

// baggageHeader is the baggage of calls made in ctx: the hop's members and the
// user's own from OpenTelemetry's baggage.
func baggageHeader(ctx context.Context, async bool) string {
	h := FromContext(ctx)
	user := baggage.FromContext(ctx)
	if h == nil {
		r, ok := ctx.Value(restoredKey{}).(carried)
		if !ok {
			return user.String()
		}
		r.async = r.async || async
		return r.header(r.entry)
	}
	c := h.carried
	c.async = c.async || async
	if user.Len() > 0 || c.foreign != "" {
		c.foreign = user.String()
		return c.header(h.Entry())
	}
	if async && !h.carried.async {
		return c.header(h.Entry())
	}
	entry := h.Entry()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.outgoing == "" && entry != "" {
		h.outgoing = c.header(entry)
	}
	if h.outgoing == "" {
		return c.header("")
	}
	return h.outgoing
}

type restoredKey struct{}

func correlationOf(ctx context.Context) string {
	if h := FromContext(ctx); h != nil {
		return h.correlation
	}
	r, _ := ctx.Value(restoredKey{}).(carried)
	return r.correlation
}

// Snapshot returns what a message that is sent later must carry to belong to
// the request in ctx: for a row of an outbox. Keys are header names.
func Snapshot(ctx context.Context) map[string]string {
	m := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, m)
	if id := correlationOf(ctx); id != "" {
		m.Set(correlationKey, id)
	}
	if b := baggageHeader(ctx, true); b != "" {
		m.Set("baggage", b)
	}
	return m
}

// Restore returns a context in which calls belong to the request that Snapshot
// was taken of.
func Restore(ctx context.Context, snapshot map[string]string) context.Context {
	m := propagation.MapCarrier(snapshot)
	ctx = propagation.TraceContext{}.Extract(ctx, m)
	c := readBaggage(m.Get("baggage"))
	if id := m.Get(correlationKey); ValidCorrelationID(id) {
		c.correlation = id
	}
	ctx = withForeign(ctx, c.foreign)
	return context.WithValue(ctx, restoredKey{}, c)
}

// EntryOf returns the entry of the request in ctx, also of a restored one.
func EntryOf(ctx context.Context) string {
	if h := FromContext(ctx); h != nil {
		return h.Entry()
	}
	r, _ := ctx.Value(restoredKey{}).(carried)
	return r.entry
}

// QueueWait records that a message waited outside any hop's processing, such
// as an outbox row between commit and publication.
func (t *Telemetry) QueueWait(ctx context.Context, operation string, waited time.Duration) {
	t.families.queue.Observe(waited, t.now(), trace.SpanContextFromContext(ctx), operation, t.entries.intern(EntryOf(ctx)))
}

func programName() string { return filepath.Base(os.Args[0]) }

// SpanContextOf reads the span context that a message carries.
func (t *Telemetry) SpanContextOf(carrier propagation.TextMapCarrier) trace.SpanContext {
	return trace.SpanContextFromContext(t.propagator.Extract(context.Background(), carrier))
}
