package hop

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Incoming describes a message that a hop starts to handle.
type Incoming struct {
	Protocol  string // "http", "grpc", "kafka", …
	Operation string // low cardinality; may be set later with SetOperation
	SpanName  string // the operation when empty
	SpanKind  trace.SpanKind
	Carrier   propagation.TextMapCarrier // headers; nil when there are none

	// Public drops what the caller says about trace, baggage and entry: the hop
	// starts a trace of its own, linked to the caller's.
	Public bool

	// Async marks a message that nobody waits for, such as a Kafka record.
	Async bool

	// Attributes are those known at the start of the span.
	Attributes []attribute.KeyValue

	// Route finds the operation when it is asked for before SetOperation.
	Route func() string
}

// Hop is one service handling one message. Its methods may be called on a nil
// Hop, do nothing then, and are safe for concurrent use.
type Hop struct {
	t           *Telemetry
	span        trace.Span
	sc          trace.SpanContext
	protocol    string
	start       time.Time
	carried     carried
	correlation string
	ledger      ledger

	mu        sync.Mutex
	operation string
	route     func() string
	entry     string
	outgoing  string // baggage header for calls of this hop, made at the first
	ended     bool

	logOnce sync.Once
	logger  zerolog.Logger
}

type hopKey struct{}

// FromContext returns the hop that ctx belongs to, or nil.
func FromContext(ctx context.Context) *Hop {
	h, _ := ctx.Value(hopKey{}).(*Hop)
	return h
}

// Begin starts a hop: it reads trace context, correlation ID and entry from
// the carrier and starts the span. End must be called once.
func (t *Telemetry) Begin(ctx context.Context, in Incoming) (context.Context, *Hop) {
	h := &Hop{t: t, protocol: in.Protocol, operation: in.Operation, route: in.Route, start: t.now()}
	var remote trace.SpanContext
	if in.Carrier != nil {
		h.carried = readBaggage(in.Carrier.Get("baggage"))
		h.correlation = in.Carrier.Get(CorrelationHeader)
		if h.correlation == "" {
			h.correlation = in.Carrier.Get(RequestIDHeader)
		}
		remote = trace.SpanContextFromContext(t.propagator.Extract(context.Background(), in.Carrier))
	}
	if h.correlation == "" && !in.Public {
		h.correlation = h.carried.correlation
	}
	if !ValidCorrelationID(h.correlation) {
		h.correlation = NewCorrelationID(h.start)
	}
	opts := make([]trace.SpanStartOption, 0, 4)
	switch {
	case in.Public:
		h.carried = carried{}
		opts = append(opts, trace.WithNewRoot())
		if remote.IsValid() {
			opts = append(opts, trace.WithLinks(trace.Link{SpanContext: remote}))
		}
	case remote.IsValid():
		ctx = trace.ContextWithRemoteSpanContext(ctx, remote)
	}
	h.carried.correlation = h.correlation
	h.carried.async = h.carried.async || in.Async
	if h.carried.entry == "" || h.carried.start.IsZero() {
		h.carried.entry, h.carried.start = "", h.start
	} else {
		h.entry = t.entries.intern(h.carried.entry)
	}
	name := in.SpanName
	if name == "" {
		name = in.Operation
	}
	attrs := in.Attributes
	attrs = append(attrs[:len(attrs):len(attrs)], attribute.String(CorrelationKey, h.correlation))
	opts = append(opts, trace.WithSpanKind(in.SpanKind), trace.WithTimestamp(h.start), trace.WithAttributes(attrs...))
	ctx, h.span = t.tracer.Start(ctx, name, opts...)
	h.sc = h.span.SpanContext()
	ctx = withForeign(ctx, h.carried.foreign)
	return context.WithValue(ctx, hopKey{}, h), h
}

func (h *Hop) elapsed() time.Duration { return h.t.now().Sub(h.start) }

// SetOperation names what the hop does: the route pattern, once it is known.
func (h *Hop) SetOperation(op string) {
	if h == nil || op == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.ended {
		h.operation = op
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
		h.operation = h.route()
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
		return "async"
	}
	return "request"
}

// EntryStart returns when the entry began, as its edge said.
func (h *Hop) EntryStart() time.Time { return h.carried.start }

// Start returns when the hop began.
func (h *Hop) Start() time.Time { return h.start }

// Span returns the hop's span.
func (h *Hop) Span() trace.Span { return h.span }

// CorrelationID returns the hop's correlation ID.
func (h *Hop) CorrelationID() string {
	if h == nil {
		return ""
	}
	return h.correlation
}

// CorrelationID returns the correlation ID of the hop that ctx belongs to.
func CorrelationID(ctx context.Context) string { return correlationOf(ctx) }

// SetAttributes sets attributes on the span of the hop that ctx belongs to:
// what tells one kind of request from another, such as customer.tier.
func SetAttributes(ctx context.Context, attrs ...attribute.KeyValue) {
	if h := FromContext(ctx); h != nil {
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
		c := h.t.logger.With().Str(CorrelationKey, h.correlation)
		if h.sc.IsValid() {
			c = c.Str("trace_id", h.sc.TraceID().String()).Str("span_id", h.sc.SpanID().String())
		}
		h.logger = c.Logger()
	})
	return &h.logger
}

// Outcome is how a hop or a call ended.
type Outcome struct {
	Err       error          // nil when it ended well; its text goes to the log only
	ErrorType string         // error.type: low cardinality; "" when it ended well
	Failed    bool           // the span's status is an error
	Level     zerolog.Level  // of the log line
	Message   string         // of the log line
	Quiet     bool           // no log line
	Unmetered bool           // no hop_* families
	Status    func(*zerolog.Event) // adds the transport's status to the log line
	Attrs     []attribute.KeyValue // known only at the end
	QueueWait time.Duration  // of a queued message; 0 otherwise
	Queued    bool
}

// Timing is what a hop measured of itself.
type Timing struct{ Duration, Self time.Duration }

// End ends the hop: its families, its span and its log line. Only the first
// call counts.
func (h *Hop) End(out Outcome) Timing {
	h.mu.Lock()
	if h.ended {
		h.mu.Unlock()
		return Timing{}
	}
	op, entry := h.operationLocked(), h.entryLocked()
	h.ended = true
	h.mu.Unlock()

	now := h.t.now()
	total := now.Sub(h.start)
	covered, slots := h.ledger.close(total)
	tm := Timing{Duration: total, Self: max(total-covered, 0)}
	flow := h.Flow()
	if f := &h.t.families; !out.Unmetered {
		f.self.Observe(tm.Self, now, h.sc, h.protocol, op, entry, flow)
		f.whole.Observe(total, now, h.sc, h.protocol, op, entry, flow)
		for i := range slots {
			f.wait.Observe(slots[i].waited, now, h.sc, op, entry, flow, slots[i].dep.Name, slots[i].dep.Kind)
		}
		if out.Queued {
			f.queue.Observe(out.QueueWait, now, h.sc, op, entry)
			f.completion.Observe(now.Sub(h.carried.start), now, h.sc, op, entry)
		}
	}
	if h.span.IsRecording() {
		h.endSpan(out, tm, now)
	}
	h.span.End(trace.WithTimestamp(now))
	if !out.Quiet {
		h.log(out, tm, op)
	}
	return tm
}

func (h *Hop) endSpan(out Outcome, tm Timing, _ time.Time) {
	attrs := append(out.Attrs, attribute.Float64("hop.self_ms", ms(tm.Self)))
	if out.ErrorType != "" {
		attrs = append(attrs, attribute.String("error.type", out.ErrorType))
	}
	h.span.SetAttributes(attrs...)
	if out.Failed {
		h.span.SetStatus(codes.Error, "")
	}
}

func (h *Hop) log(out Outcome, tm Timing, op string) {
	e := h.t.logger.WithLevel(out.Level)
	if out.Level < h.t.logger.GetLevel() || e == nil {
		return
	}
	if h.sc.IsValid() {
		e = e.Str("trace_id", h.sc.TraceID().String()).Str("span_id", h.sc.SpanID().String())
	}
	e = e.Str(CorrelationKey, h.correlation).Str("operation", op).
		Float64("duration_ms", ms(tm.Duration)).Float64("self_ms", ms(tm.Self))
	if out.Status != nil {
		out.Status(e)
	}
	if out.ErrorType != "" {
		e = e.Str("error_type", out.ErrorType)
	}
	if out.Err != nil {
		e = e.Err(out.Err)
	}
	e.Msg(out.Message)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
