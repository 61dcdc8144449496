package hop

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Outgoing describes a call that a hop makes.
type Outgoing struct {
	Dependency Dependency
	SpanName   string
	SpanKind   trace.SpanKind

	// Fixed and Attributes are those known at the start of the span. The slice
	// may be reused once BeginCall has returned.
	Fixed      *FixedAttributes
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

	correlation string
}

// BeginCall starts the span and the wait of a call. Inject its context into the
// message with Inject; End must be called once.
func (t *Telemetry) BeginCall(ctx context.Context, out Outgoing) (context.Context, ClientCall) {
	c := ClientCall{t: t, start: t.Now(), hop: FromContext(ctx), async: out.Async}
	if !out.NoWait {
		c.wait = c.hop.StartCall(out.Dependency)
	}
	c.correlation = correlationOf(ctx)
	room := optionPool.Get().(*spanOptions)
	opts := append(room[:0], t.kinds[out.SpanKind])
	if t.clock != nil {
		opts = append(opts, trace.WithTimestamp(c.start))
	}
	ctx, c.span = t.begin(ctx, out.SpanName, trace.SpanContextFromContext(ctx), out.Fixed, out.Attributes, opts)
	clear(room[:])
	optionPool.Put(room)
	return ctx, c
}

// Span returns the call's span.
func (c *ClientCall) Span() trace.Span { return c.span }

// Hop returns the hop that makes the call, or nil.
func (c *ClientCall) Hop() *Hop { return c.hop }

// Start returns when the call began.
func (c *ClientCall) Start() time.Time { return c.start }

// End ends the wait and the span and returns the call's duration.
func (c *ClientCall) End(out Outcome) time.Duration {
	c.wait.End()
	total := c.t.since(c.start)
	if c.span.IsRecording() {
		attrs := out.Attrs
		if c.correlation != "" {
			attrs = append(attrs, attribute.String(CorrelationKey, c.correlation))
		}
		if out.ErrorType != "" {
			attrs = append(attrs, AttrErrorType.String(out.ErrorType))
		}
		c.span.SetAttributes(attrs...)
		if out.Failed {
			c.span.SetStatus(codes.Error, "")
		}
	}
	c.t.endSpan(c.span, c.start.Add(total))
	return total
}
