package adapter

import (
	"cmp"
	"context"
	"net"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/internal/marks"
	"github.com/tenhop/tenhop/middleware/internal/wire"
)

// Signals is a set of the signals of one message.
type Signals uint8

// The signals of a message. An adapter can omit each of them independently.
const (
	Traces     Signals = 1 << iota // the span
	Metrics                        // the hop_* families, the transport's histogram and its gauge
	Logs                           // the log line
	AllSignals = Traces | Metrics | Logs
)

// Incoming describes a message that a hop starts to handle.
type Incoming struct {
	Protocol  string // "http", "grpc", "kafka", …
	Operation string // low cardinality; SetOperation may set it later
	SpanName  string // "" means Operation
	SpanKind  trace.SpanKind

	// Header or Carrier holds the message's headers. Both may be nil. Header is
	// faster. Its keys must be in canonical form.
	Header  http.Header
	Carrier propagation.TextMapCarrier

	// Public marks an untrusted caller. The hop ignores its baggage and entry, and
	// starts a new trace that links to the caller's.
	Public bool

	// RemoteAddr or Remote holds the caller's network address. Only callers that the
	// Core trusts name the entry. A caller without an IP address, such as a broker or
	// a process of the machine, is trusted.
	RemoteAddr string
	Remote     net.Addr

	// Async marks a message that no caller waits for, such as a Kafka record.
	Async bool

	// Skip omits signals. The context still carries the trace and the correlation
	// ID.
	Skip Signals

	// Fixed and Attributes are the span attributes known at its start. The slice
	// may be reused once Begin has returned.
	Fixed      *FixedAttributes
	Attributes []attribute.KeyValue

	// Route finds the operation when it is needed before SetOperation; may be nil.
	Route Router

	// Local is the adapter's own state. Hop.Local returns it.
	Local any
}

// Router finds the operation of a message whose handler is chosen after the hop
// has begun. Operation returns "" while it is unknown.
type Router interface{ Operation() string }

// Begin starts a hop. It reads trace context, correlation ID and entry from the
// message's headers and starts the span. Handle the message with the returned
// context. Hop.End must be called once.
func (t *Core) Begin(ctx context.Context, in Incoming) (context.Context, *Hop) {
	h := &Hop{}
	return t.BeginInto(ctx, h, &in), h
}

// BeginInto is like Begin but uses h, which an adapter can embed in its own record
// of the message to save an allocation. h must be the zero Hop. It must not be
// reused, since goroutines that outlive the message may still refer to it.
func (t *Core) BeginInto(ctx context.Context, h *Hop, in *Incoming) context.Context {
	h.core, h.protocol, h.operation, h.route, h.skip, h.local = t, in.Protocol, in.Operation, in.Route, in.Skip, in.Local
	h.start = t.Now()
	if marks.On() {
		h.ledger.mark = marks.Begin(in.Protocol)
	}
	t.served()
	r := t.receive(in)
	h.metadata, h.requestID = r.Metadata, r.requestID
	h.ignored = r.ignored
	if h.metadata.Correlation == "" {
		h.metadata.Correlation = wire.NewCorrelationID(h.start)
	}
	switch {
	case h.metadata.Entry == "" || h.metadata.EntryStart.IsZero():
		h.metadata.Entry, h.metadata.EntryStart = "", h.start
	case !t.trusts(in):
		h.metadata.Entry, h.metadata.EntryStart, h.metadata.Async = "", h.start, false
	default:
		h.named = t.families.entries.intern(h.metadata.Entry, h.start)
		h.metadata.Entry = h.named.value
	}
	h.metadata.Async = h.metadata.Async || in.Async
	h.labelKnown(ctx, in)
	ctx = h.startSpan(ctx, in, r.remote)
	h.ctx = hopContext{withForeign(ctx, h.metadata.Foreign), h}
	if h.skip&Metrics == 0 {
		t.inFlight.add(h)
	}
	return &h.ctx
}

// MayRecord reports whether the span of a message may be recorded. It is called
// before Begin. When it returns false, the adapter need not build attributes.
func (t *Core) MayRecord(in *Incoming) bool {
	switch {
	case !t.w3c, in.Public:
		return true
	case in.Header != nil:
		return wire.SampledTraceparent(one(in.Header["Traceparent"]))
	case in.Carrier != nil:
		return wire.SampledTraceparent(in.Carrier.Get(wire.HeaderTraceparent))
	}
	return true
}

// startSpan starts the hop's span, unless traces are left out.
func (h *Hop) startSpan(ctx context.Context, in *Incoming, remote trace.SpanContext) context.Context {
	if in.Skip&Traces != 0 {
		if remote.IsValid() && !in.Public {
			ctx = h.withRemote(ctx, remote)
		}
		// The span belongs to someone else: it must not be ended here.
		h.span = trace.SpanFromContext(trace.ContextWithSpanContext(ctx, trace.SpanContextFromContext(ctx)))
		return ctx
	}
	t := h.core
	name := cmp.Or(in.SpanName, in.Operation)
	parent := trace.SpanContext{}
	switch {
	case in.Public:
	case remote.IsValid() && in.SpanKind == trace.SpanKindServer && surrounded(ctx, remote):
		parent = trace.SpanContextFromContext(ctx)
	case remote.IsValid():
		ctx = h.withRemote(ctx, remote)
		parent = remote
	}
	if t.starter != nil && !in.Public {
		ctx, h.span = t.starter.StartSpan(ctx, name, in.SpanKind, h.start, in.Fixed.list(), in.Attributes)
		return ctx
	}
	buf := optionPool.Get().(*spanOptions)
	opts := append(buf[:0], t.kinds[in.SpanKind])
	if in.Public {
		opts = append(opts, trace.WithNewRoot())
		if remote.IsValid() {
			opts = append(opts, trace.WithLinks(trace.Link{SpanContext: remote}))
		}
	}
	if t.clock != nil {
		opts = append(opts, trace.WithTimestamp(h.start))
	}
	ctx, h.span = t.begin(ctx, name, parent, in.Fixed, in.Attributes, opts)
	clear(buf[:])
	optionPool.Put(buf)
	return ctx
}

// surrounded reports whether other instrumentation has started a span for the message
// in this process: one in the trace that the message's headers continue.
func surrounded(ctx context.Context, remote trace.SpanContext) bool {
	sc := trace.SpanContextFromContext(ctx)
	return sc.IsValid() && !sc.IsRemote() && sc.TraceID() == remote.TraceID()
}
