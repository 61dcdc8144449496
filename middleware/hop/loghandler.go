package hop

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// NewLogHandler returns a handler that adds trace_id, span_id and correlation_id of
// the request in a record's context, for services that log with slog.InfoContext:
//
//	slog.SetDefault(slog.New(hop.NewLogHandler(slog.NewJSONHandler(os.Stdout, nil))))
//
// Records without a request's context are left unchanged. It panics when inner is
// nil.
func NewLogHandler(inner slog.Handler) slog.Handler {
	if inner == nil {
		panic("hop: NewLogHandler: nil handler")
	}
	return logHandler{inner: inner, root: inner}
}

// logHandler applies the groups opened so far after the IDs, so that the IDs stay
// at the top level of a line.
type logHandler struct {
	inner slog.Handler                      // with the groups and attributes of the logger
	root  slog.Handler                      // before the first group
	steps []func(slog.Handler) slog.Handler // from root to inner
}

var _ slog.Handler = logHandler{}

// Enabled reports whether the inner handler is enabled.
func (h logHandler) Enabled(ctx context.Context, l slog.Level) bool { return h.inner.Enabled(ctx, l) }

// Handle adds the IDs and passes the record on.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	attrs := ids(ctx)
	if len(attrs) == 0 {
		return h.inner.Handle(ctx, r)
	}
	if len(h.steps) == 0 {
		r = r.Clone()
		r.AddAttrs(attrs...)
		return h.inner.Handle(ctx, r)
	}
	inner := h.root.WithAttrs(attrs)
	for _, step := range h.steps {
		inner = step(inner)
	}
	return inner.Handle(ctx, r)
}

// ids returns the fields of the request in ctx, with the names of its log line.
func ids(ctx context.Context) []slog.Attr {
	var attrs []slog.Attr
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		attrs = append(attrs, slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	if id := CorrelationID(ctx); id != "" {
		attrs = append(attrs, slog.String(CorrelationKey, id))
	}
	return attrs
}

// WithAttrs returns a handler whose records have the attributes.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(h.steps) == 0 {
		inner := h.inner.WithAttrs(attrs)
		return logHandler{inner: inner, root: inner}
	}
	return h.then(func(in slog.Handler) slog.Handler { return in.WithAttrs(attrs) })
}

// WithGroup returns a handler that puts further attributes, but not the IDs, into
// the group.
func (h logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.then(func(in slog.Handler) slog.Handler { return in.WithGroup(name) })
}

func (h logHandler) then(step func(slog.Handler) slog.Handler) slog.Handler {
	steps := append(h.steps[:len(h.steps):len(h.steps)], step)
	return logHandler{inner: step(h.inner), root: h.root, steps: steps}
}
