// Package sloghop gives log/slog the correlation ID and the trace of the request
// that a line belongs to, for services that do not use zerolog:
//
//	slog.SetDefault(slog.New(sloghop.New(slog.NewJSONHandler(os.Stdout, nil))))
//	…
//	slog.InfoContext(r.Context(), "charged", "cents", 990)
//
// The line then has trace_id, span_id and correlation_id, as the middleware's
// own lines do. Lines logged without the request's context are left as they are.
package sloghop

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
)

// New wraps a handler. A nil one panics here, not at a line.
func New(inner slog.Handler) slog.Handler {
	if inner == nil {
		panic("sloghop: New: nil handler")
	}
	return handler{inner: inner, root: inner}
}

// handler keeps the groups opened so far apart, so that the IDs stay at the
// top level of a line.
type handler struct {
	inner slog.Handler // with the groups and attributes of the logger
	root  slog.Handler // before the first group
	later []func(slog.Handler) slog.Handler
}

func (h handler) Enabled(ctx context.Context, l slog.Level) bool { return h.inner.Enabled(ctx, l) }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	attrs := ids(ctx)
	if len(attrs) == 0 {
		return h.inner.Handle(ctx, r)
	}
	if len(h.later) == 0 {
		r = r.Clone()
		r.AddAttrs(attrs...)
		return h.inner.Handle(ctx, r)
	}
	inner := h.root.WithAttrs(attrs)
	for _, step := range h.later {
		inner = step(inner)
	}
	return inner.Handle(ctx, r)
}

// ids are the fields of the request in ctx, with the names of hop's log lines.
func ids(ctx context.Context) []slog.Attr {
	var attrs []slog.Attr
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		attrs = append(attrs, slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	if id := hop.CorrelationID(ctx); id != "" {
		attrs = append(attrs, slog.String(hop.CorrelationKey, id))
	}
	return attrs
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(h.later) == 0 {
		inner := h.inner.WithAttrs(attrs)
		return handler{inner: inner, root: inner}
	}
	return h.then(func(in slog.Handler) slog.Handler { return in.WithAttrs(attrs) })
}

func (h handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.then(func(in slog.Handler) slog.Handler { return in.WithGroup(name) })
}

func (h handler) then(step func(slog.Handler) slog.Handler) slog.Handler {
	later := append(h.later[:len(h.later):len(h.later)], step)
	return handler{inner: step(h.inner), root: h.root, later: later}
}
