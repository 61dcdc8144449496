package hop

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/internal/zlog"
)

// NewLogHandler returns a handler that adds trace_id, span_id and correlation_id of
// the request in a record's context, for services that log with slog.InfoContext:
//
//	slog.SetDefault(slog.New(hop.NewLogHandler(slog.NewJSONHandler(os.Stdout, nil))))
//
// Records without a request's context are left unchanged. A field that inner, the
// record or the logger has already is not repeated. It panics when inner is nil.
func NewLogHandler(inner slog.Handler) slog.Handler {
	if inner == nil {
		panic("hop: NewLogHandler: nil handler")
	}
	return logHandler{inner: inner, root: inner, has: zlog.KeysOf(inner)}
}

// logHandler applies the groups opened so far after the IDs, so that the IDs stay
// at the top level of a line.
type logHandler struct {
	inner slog.Handler                      // with the groups and attributes of the logger
	root  slog.Handler                      // before the first group
	steps []func(slog.Handler) slog.Handler // from root to inner
	has   zlog.Keys                         // fields of root: a line has each of them once
}

var _ slog.Handler = logHandler{}

// Enabled reports whether the inner handler is enabled.
func (h logHandler) Enabled(ctx context.Context, l slog.Level) bool { return h.inner.Enabled(ctx, l) }

// Handle adds the IDs and passes the record on.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	attrs := ids(ctx)
	if len(h.steps) == 0 {
		return h.inner.Handle(ctx, h.complete(r, attrs))
	}
	if attrs, _ = zlog.Without(h.has, attrs); len(attrs) == 0 {
		return h.inner.Handle(ctx, r)
	}
	inner := h.root.WithAttrs(attrs)
	for _, step := range h.steps {
		inner = step(inner)
	}
	return inner.Handle(ctx, r)
}

// complete returns a record with the attributes. Those of the handler and of the record
// itself are not repeated.
func (h logHandler) complete(r slog.Record, attrs []slog.Attr) slog.Record {
	has, twice := h.has, false
	r.Attrs(func(a slog.Attr) bool {
		k := zlog.KeyOf(a.Key)
		twice = twice || has&k != 0
		has |= k
		return true
	})
	if twice {
		all := make([]slog.Attr, 0, r.NumAttrs())
		r.Attrs(func(a slog.Attr) bool { all = append(all, a); return true })
		all, has = zlog.Without(h.has, all)
		r = slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
		r.AddAttrs(all...)
	}
	if attrs, _ = zlog.Without(has, attrs); len(attrs) == 0 {
		return r
	}
	if !twice {
		r = r.Clone()
	}
	r.AddAttrs(attrs...)
	return r
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
		attrs, has := zlog.Without(h.has, attrs)
		inner := h.inner.WithAttrs(attrs)
		return logHandler{inner: inner, root: inner, has: has}
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
	return logHandler{inner: step(h.inner), root: h.root, steps: steps, has: h.has}
}
