package adapter

import (
	"context"
	"sync/atomic"
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

	// Fixed and Attributes are the span attributes known at its start. The slice
	// may be reused once BeginCall has returned.
	Fixed      *FixedAttributes
	Attributes []attribute.KeyValue

	// NoWait excludes the call from the hop's wait. It is for background calls, and
	// for streams, whose blocked sends and receives are separate calls.
	NoWait bool

	// Async marks a message sent to a queue, which starts an asynchronous flow.
	Async bool
}

// ClientCall is a call in progress.
type ClientCall struct {
	core  *Core
	span  trace.Span
	start time.Time
	wait  Call
	hop   *Hop
	async bool
	ended uint32 // atomic; the call is copied

	outside     *outsideCalls // counted at the end; nil within a request
	correlation string
}

// BeginCall starts the span and the wait of a call. The returned context is for
// Inject and for the call itself. End must be called.
func (t *Core) BeginCall(ctx context.Context, out Outgoing) (context.Context, ClientCall) {
	c := ClientCall{core: t, start: t.Now(), hop: FromContext(ctx), async: out.Async}
	if !out.NoWait {
		c.wait = c.hop.StartCall(out.Dependency)
	}
	if c.hop == nil && !out.Async { // nobody waits for a message
		if _, ok := restored(ctx); !ok {
			c.outside = t.outside.of(out.Dependency)
		}
	}
	c.correlation = CorrelationID(ctx)
	if t.starter != nil {
		ctx, c.span = t.starter.StartSpan(ctx, out.SpanName, out.SpanKind, c.start, out.Fixed.list(), out.Attributes)
		return ctx, c
	}
	buf := optionPool.Get().(*spanOptions)
	opts := append(buf[:0], t.kinds[out.SpanKind])
	if t.clock != nil {
		opts = append(opts, trace.WithTimestamp(c.start))
	}
	ctx, c.span = t.begin(ctx, out.SpanName, trace.SpanContextFromContext(ctx), out.Fixed, out.Attributes, opts)
	clear(buf[:])
	optionPool.Put(buf)
	return ctx, c
}

// Span returns the call's span.
func (c *ClientCall) Span() trace.Span { return c.span }

// Hop returns the hop that makes the call, or nil.
func (c *ClientCall) Hop() *Hop { return c.hop }

// Start returns the start time of the call.
func (c *ClientCall) Start() time.Time { return c.start }

// End ends the wait and the span. It returns the call's duration. Only the first End has
// an effect; others return 0.
func (c *ClientCall) End(out Outcome) time.Duration {
	if !atomic.CompareAndSwapUint32(&c.ended, 0, 1) {
		return 0
	}
	c.wait.End()
	if c.outside != nil {
		c.core.countOutside(c.outside)
	}
	total := c.core.since(c.start)
	if c.span.IsRecording() {
		attrs := out.Attrs
		if c.correlation != "" {
			attrs = append(attrs, attribute.String(CorrelationKey, c.correlation))
		}
		if out.ErrorType != "" {
			attrs = append(attrs, AttrErrorType.String(out.ErrorType))
		}
		if e, ok := c.span.(spanEnder); ok {
			e.EndWith(c.start.Add(total), out.Failed, attrs)
			return total
		}
		setAttributes(c.span, attrs)
		if out.Failed {
			c.span.SetStatus(codes.Error, "")
		}
	}
	c.core.endSpan(c.span, c.start.Add(total))
	return total
}

// Discard ends the wait of a call that turned out to be none. Its span is never ended, so
// no exporter gets it, and hop_outside_calls_total does not count it.
func (c *ClientCall) Discard() { c.wait.End() }

// Pending is a call that ends at the latest with its hop, such as an HTTP call
// whose response body is never closed. An adapter embeds it in its record of the
// call to save an allocation.
type Pending struct {
	hop        *Hop
	end        func()
	next, prev *Pending
}

// Adopt registers end, which the hop calls when it ends unless p is released first.
// It returns false for a nil Hop and for a hop that has ended.
func (h *Hop) Adopt(p *Pending, end func()) bool {
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return false
	}
	p.hop, p.end, p.next = h, end, h.pending
	if h.pending != nil {
		h.pending.prev = p
	}
	h.pending = p
	return true
}

// Release detaches the call from its hop.
func (p *Pending) Release() {
	h := p.hop
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended { // End walks the list
		return
	}
	switch {
	case p.prev != nil:
		p.prev.next = p.next
	case h.pending == p:
		h.pending = p.next
	default:
		return
	}
	if p.next != nil {
		p.next.prev = p.prev
	}
	p.next, p.prev = nil, nil
}
