package hop

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Signals is a set of the signals of one message.
type Signals uint8

// The signals that an adapter may be told to leave out, each without the others.
// Metrics are the hop_* families, the transport's histogram and its gauge.
const (
	Traces Signals = 1 << iota
	Metrics
	Logs
	AllSignals = Traces | Metrics | Logs
)

// Incoming describes a message that a hop starts to handle.
type Incoming struct {
	Protocol  string // "http", "grpc", "kafka", …
	Operation string // low cardinality; may be set later with SetOperation
	SpanName  string // the operation when empty
	SpanKind  trace.SpanKind

	// Header or Carrier hold the message's headers; both are nil when there are
	// none. Header is the faster one.
	Header  http.Header
	Carrier propagation.TextMapCarrier

	// Public drops what the caller says about trace, baggage and entry: the hop
	// starts a trace of its own, linked to the caller's.
	Public bool

	// Async marks a message that nobody waits for, such as a Kafka record.
	Async bool

	// Skip leaves signals out; the context still carries trace and correlation ID.
	Skip Signals

	// Fixed and Attributes are those known at the start of the span. The slice
	// may be reused once Begin has returned.
	Fixed      *FixedAttributes
	Attributes []attribute.KeyValue

	// Route finds the operation when it is asked for before SetOperation.
	Route Router

	// Local is the adapter's own state, found again with Hop.Local.
	Local any
}

// Router tells the operation of a message whose handler is found only after the
// hop has begun. It returns "" as long as it does not know.
type Router interface{ Operation() string }

// Hop is one service handling one message. Its methods may be called on a nil
// Hop, do nothing then, and are safe for concurrent use.
type Hop struct {
	t        *Telemetry
	span     trace.Span
	protocol string
	start    time.Time
	carried  carried
	skip     Signals
	local    any
	ledger   ledger
	ctx      hopContext

	mu        sync.Mutex
	operation string
	route     Router
	entry     string
	outgoing  [2]string // baggage header of calls and of messages sent, made at the first
	ended     bool
	pending   *Pending // calls to end with the hop

	logOnce sync.Once
	logger  *zerolog.Logger
}

type hopKey struct{}

// hopContext is the context that carries a hop, within the hop itself.
type hopContext struct {
	context.Context
	hop *Hop
}

func (c *hopContext) Value(key any) any {
	if key == (hopKey{}) {
		return c.hop
	}
	return c.Context.Value(key)
}

// FromContext returns the hop that ctx belongs to, or nil.
func FromContext(ctx context.Context) *Hop {
	h, _ := ctx.Value(hopKey{}).(*Hop)
	return h
}

// Begin starts a hop: it reads trace context, correlation ID and entry from
// the message's headers and starts the span. End must be called once.
func (t *Telemetry) Begin(ctx context.Context, in Incoming) (context.Context, *Hop) {
	h := &Hop{}
	return t.BeginInto(ctx, h, &in), h
}

// BeginInto is Begin for a hop within an adapter's own record of the message,
// which spares an allocation. The zero Hop must be used once only: calls of
// abandoned goroutines may still reach it.
func (t *Telemetry) BeginInto(ctx context.Context, h *Hop, in *Incoming) context.Context {
	h.t, h.protocol, h.operation, h.route, h.skip, h.local = t, in.Protocol, in.Operation, in.Route, in.Skip, in.Local
	h.start = t.Now()
	r := t.receive(in)
	h.carried = r.carried
	if in.Public {
		h.carried = carried{correlation: r.correlation}
	}
	if h.carried.correlation == "" {
		h.carried.correlation = NewCorrelationID(h.start)
	}
	h.carried.async = h.carried.async || in.Async
	if h.carried.entry == "" || h.carried.start.IsZero() {
		h.carried.entry, h.carried.start = "", h.start
	} else {
		h.entry = t.entries.intern(h.carried.entry)
		h.carried.entry = h.entry
	}
	ctx = h.startSpan(ctx, in, r.remote)
	h.ctx = hopContext{withForeign(ctx, h.carried.foreign), h}
	return &h.ctx
}

// MayRecord tells, before Begin, whether attributes are worth building: they
// are not when the caller decided against the trace.
func (t *Telemetry) MayRecord(in *Incoming) bool {
	if !t.w3c || in.Public {
		return true
	}
	parent := ""
	switch {
	case in.Header != nil:
		parent = one(in.Header["Traceparent"])
	case in.Carrier != nil:
		parent = in.Carrier.Get(headerTraceparent)
	}
	return len(parent) < 55 || nibble(parent[54])&1 == 1
}

// startSpan starts the hop's span, unless traces are left out.
func (h *Hop) startSpan(ctx context.Context, in *Incoming, remote trace.SpanContext) context.Context {
	if in.Skip&Traces != 0 {
		if remote.IsValid() && !in.Public {
			ctx = trace.ContextWithRemoteSpanContext(ctx, remote)
		}
		h.span = trace.SpanFromContext(trace.ContextWithSpanContext(ctx, trace.SpanContextFromContext(ctx))) // not ours to end
		return ctx
	}
	t := h.t
	room := optionPool.Get().(*spanOptions)
	opts := append(room[:0], t.kinds[in.SpanKind])
	parent := trace.SpanContext{}
	switch {
	case in.Public:
		opts = append(opts, trace.WithNewRoot())
		if remote.IsValid() {
			opts = append(opts, trace.WithLinks(trace.Link{SpanContext: remote}))
		}
	case remote.IsValid():
		ctx = trace.ContextWithRemoteSpanContext(ctx, remote)
		parent = remote
	}
	if t.clock != nil {
		opts = append(opts, trace.WithTimestamp(h.start))
	}
	name := in.SpanName
	if name == "" {
		name = in.Operation
	}
	ctx, h.span = t.begin(ctx, name, parent, in.Fixed, in.Attributes, opts)
	clear(room[:])
	optionPool.Put(room)
	return ctx
}

// elapsed is the time since the hop's start, on the monotonic clock.
func (h *Hop) elapsed() time.Duration {
	if h.t.clock == nil {
		return time.Since(h.start)
	}
	return h.t.clock().Sub(h.start)
}

// SetOperation names what the hop does: the route pattern, once it is known.
func (h *Hop) SetOperation(op string) {
	if h == nil || op == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.ended && h.operation != op {
		h.operation, h.outgoing = op, [2]string{}
	}
}

// Operation returns the operation, asking the router when it is not set yet.
func (h *Hop) Operation() string {
	if h == nil {
		return ""
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.operationLocked()
}

func (h *Hop) operationLocked() string {
	if h.operation == "" && h.route != nil {
		h.operation = h.route.Operation()
	}
	return h.operation
}

// Entry returns the edge operation that the hop works for: the caller's, or
// its own when it is the edge.
func (h *Hop) Entry() string {
	if h == nil {
		return ""
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.entryLocked()
}

func (h *Hop) entryLocked() string {
	if h.entry == "" {
		return h.operationLocked()
	}
	return h.entry
}

// Flow is "async" behind a queue and "request" otherwise.
func (h *Hop) Flow() string {
	if h != nil && h.carried.async {
		return flowAsync
	}
	return flowRequest
}

// The values of the label flow.
const (
	flowRequest = "request"
	flowAsync   = "async"
)

// EntryStart returns when the entry began, as its edge said.
func (h *Hop) EntryStart() time.Time {
	if h == nil {
		return time.Time{}
	}
	return h.carried.start
}

// Start returns when the hop began.
func (h *Hop) Start() time.Time {
	if h == nil {
		return time.Time{}
	}
	return h.start
}

// Span returns the hop's span; one that records nothing for a nil Hop.
func (h *Hop) Span() trace.Span {
	if h == nil {
		return trace.SpanFromContext(context.Background())
	}
	return h.span
}

// Local returns what the adapter gave as Incoming.Local.
func (h *Hop) Local() any {
	if h == nil {
		return nil
	}
	return h.local
}

// CorrelationID returns the hop's correlation ID.
func (h *Hop) CorrelationID() string {
	if h == nil {
		return ""
	}
	return h.carried.correlation
}

// CorrelationID returns the correlation ID of the hop that ctx belongs to.
func CorrelationID(ctx context.Context) string { return correlationOf(ctx) }

// SetAttributes sets attributes on the span of the hop that ctx belongs to:
// what tells one kind of request from another, such as customer.tier.
func SetAttributes(ctx context.Context, attrs ...attribute.KeyValue) {
	if h := FromContext(ctx); h != nil && h.skip&Traces == 0 {
		h.span.SetAttributes(attrs...)
	}
}

// Logger returns a logger whose lines carry trace_id, span_id, correlation_id
// and service; outside a hop the default one.
func Logger(ctx context.Context) *zerolog.Logger {
	h := FromContext(ctx)
	if h == nil {
		return Default().Logger()
	}
	h.logOnce.Do(func() {
		c := h.t.logger.With().Str(CorrelationKey, h.carried.correlation)
		if sc := h.span.SpanContext(); sc.IsValid() {
			c = c.Str("trace_id", sc.TraceID().String()).Str("span_id", sc.SpanID().String())
		}
		l := c.Logger()
		h.logger = &l
	})
	return h.logger
}
