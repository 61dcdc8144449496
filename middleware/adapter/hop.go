package adapter

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/internal/wire"
	"github.com/tenhop/tenhop/middleware/internal/zlog"
)

// Hop is one service handling one message. Its methods are safe for concurrent
// use. On a nil Hop they do nothing and return zero values.
type Hop struct {
	core     *Core
	span     trace.Span
	protocol string
	start    time.Time
	metadata wire.Metadata

	requestID bool   // the correlation ID came as X-Request-ID
	ended     bool   // guarded by mu
	ignored   string // baggage of an untrusted caller, which a proxy may copy
	skip      Signals
	local     any
	ledger    ledger
	ctx       hopContext
	remote    remoteContext // of the caller's span, below ctx
	listed    listed        // guarded by its shard

	unlabelled context.Context // whose profile labels the goroutine had

	mu        sync.Mutex
	operation string
	route     Router
	named     *name     // the entry, when it is a caller's
	routed    string    // what route last returned
	outgoing  [2]string // baggage headers of calls and of messages sent, made at the first

	outgoingFor string   // the entry in them
	pending     *Pending // calls to end with the hop

	logs *zlog.Handler // made at the first line, as is slog
	slog slog.Logger
}

type hopKey struct{}

// hopContext is the context of a hop, allocated within the hop.
type hopContext struct {
	context.Context
	hop *Hop
}

// Value returns the hop for its key.
func (c *hopContext) Value(key any) any {
	if key == (hopKey{}) {
		return c.hop
	}
	v := c.Context.Value(key)
	if v == nil && key == zerologKey && c.hop.core.zerologCtx && zerolog.DefaultContextLogger == nil {
		return c.hop.Zerolog() // unless the service has chosen a logger for contexts without one
	}
	return v
}

// FromContext returns the hop that ctx belongs to, or nil.
func FromContext(ctx context.Context) *Hop {
	h, _ := ctx.Value(hopKey{}).(*Hop)
	return h
}

// elapsed returns the time since the hop's start, on the monotonic clock.
func (h *Hop) elapsed() time.Duration {
	if h.core.clock == nil {
		return time.Since(h.start)
	}
	return h.core.clock().Sub(h.start)
}

// Core returns the Core that the hop reports to.
func (h *Hop) Core() *Core {
	if h == nil {
		return nil
	}
	return h.core
}

// SetOperation sets the operation, such as the route pattern once it is known.
func (h *Hop) SetOperation(op string) {
	if h == nil || op == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.ended && h.operation != op {
		h.operation = op
	}
}

// HasOperation reports whether SetOperation or Incoming.Operation set the operation.
func (h *Hop) HasOperation() bool {
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.operation != ""
}

// Operation returns the operation. When none is set, it calls Incoming.Route.
func (h *Hop) Operation() string {
	if h == nil {
		return ""
	}
	h.mu.Lock()
	op, route := h.operation, h.route
	h.mu.Unlock()
	if op == "" && route != nil { // without the lock: it may use the hop
		op = route.Operation() // asked again: it may become more specific
		h.mu.Lock()
		h.routed = op
		h.mu.Unlock()
	}
	return op
}

// Entry returns the edge operation that the request belongs to: the caller's, or
// the hop's own when the hop is the edge.
func (h *Hop) Entry() string {
	if h == nil {
		return ""
	}
	h.mu.Lock()
	entry := h.metadata.Entry
	h.mu.Unlock()
	if entry == "" {
		return h.Operation()
	}
	return entry
}

// Flow returns "async" behind a queue and "request" otherwise.
func (h *Hop) Flow() string {
	if h != nil && h.metadata.Async {
		return flowAsync
	}
	return flowRequest
}

// The values of the label flow.
const (
	flowRequest = "request"
	flowAsync   = "async"
)

// EntryStart returns the start time of the entry, by the clock of the edge.
func (h *Hop) EntryStart() time.Time {
	if h == nil {
		return time.Time{}
	}
	return h.metadata.EntryStart
}

// Start returns the start time of the hop.
func (h *Hop) Start() time.Time {
	if h == nil {
		return time.Time{}
	}
	return h.start
}

// Span returns the hop's span. The span of a nil Hop records nothing.
func (h *Hop) Span() trace.Span {
	if h == nil {
		return trace.SpanFromContext(context.Background())
	}
	return h.span
}

// SetAttributes sets attributes on the hop's span.
func (h *Hop) SetAttributes(attrs ...attribute.KeyValue) {
	if h != nil && h.skip&Traces == 0 {
		h.span.SetAttributes(attrs...)
	}
}

// Local returns Incoming.Local.
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
	return h.metadata.Correlation
}

// Logger returns a logger whose lines have service, correlation_id, trace_id and
// span_id. It returns nil for a nil Hop.
func (h *Hop) Logger() *slog.Logger {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.slog.Handler() != nil {
		return &h.slog
	}
	if !h.core.viaSlog {
		h.slog = *slog.New(h.handlerLocked()) // a copy spares an allocation
		return &h.slog
	}
	l := h.core.slog.With(CorrelationKey, h.metadata.Correlation)
	if sc := h.span.SpanContext(); sc.IsValid() {
		l = l.With("trace_id", sc.TraceID().String(), "span_id", sc.SpanID().String())
	}
	h.slog = *l
	return &h.slog
}

// Zerolog is like Logger but returns a zerolog.Logger. When the Core has a slog
// logger, the zerolog logger writes JSON to standard error.
func (h *Hop) Zerolog() *zerolog.Logger {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return &h.handlerLocked().Logger
}

// handlerLocked returns the handler over the hop's zerolog logger.
func (h *Hop) handlerLocked() *zlog.Handler {
	if h.logs == nil {
		c, has := h.core.zerolog.With().Str(CorrelationKey, h.metadata.Correlation), zlog.KeyService|zlog.KeyCorrelation
		if sc := h.span.SpanContext(); sc.IsValid() {
			tid, sid := sc.TraceID(), sc.SpanID()
			c, has = c.Hex("trace_id", tid[:]).Hex("span_id", sid[:]), has|zlog.KeyTrace|zlog.KeySpan
		}
		h.logs = &zlog.Handler{Logger: c.Logger(), Has: has}
	}
	return h.logs
}
