// Package zlog is a slog.Handler that writes through a zerolog.Logger.
//
// zerolog's own SlogHandler adds the record's time unless the logger has
// zerolog's timestamp hook, and writes groups as dotted keys. This handler leaves
// time to the logger, so that a line has the same bytes by either interface, and
// writes groups as objects.
package zlog

import (
	"context"
	"log/slog"
	"slices"

	"github.com/rs/zerolog"
)

// Handler is a slog.Handler over Logger. The record's time is not written.
type Handler struct {
	Logger zerolog.Logger
	Has    Keys    // fields of Logger that attributes do not repeat
	groups []group // open groups, outermost first
}

type group struct {
	name  string
	attrs []slog.Attr
}

var _ slog.Handler = (*Handler)(nil)

// Level converts a slog level to the zerolog level at or below it. Levels above
// slog.LevelError are zerolog.ErrorLevel: zerolog's fatal level ends the process.
func Level(l slog.Level) zerolog.Level {
	switch {
	case l < slog.LevelDebug:
		return zerolog.TraceLevel
	case l < slog.LevelInfo:
		return zerolog.DebugLevel
	case l < slog.LevelWarn:
		return zerolog.InfoLevel
	case l < slog.LevelError:
		return zerolog.WarnLevel
	}
	return zerolog.ErrorLevel
}

// Enabled reports whether the logger writes lines of the level.
func (h *Handler) Enabled(_ context.Context, level slog.Level) bool {
	l := Level(level)
	return l >= h.Logger.GetLevel() && l >= zerolog.GlobalLevel()
}

// Handle writes the record as one line.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	e := h.Logger.WithLevel(Level(r.Level))
	if e == nil {
		return nil
	}
	if ctx != nil {
		e = e.Ctx(ctx) // for the logger's hooks
	}
	if len(h.groups) == 0 {
		r.Attrs(func(a slog.Attr) bool {
			if h.Has == 0 || KeyOf(a.Key)&h.Has == 0 {
				e = Append(e, a)
			}
			return true
		})
	} else {
		e = Append(e, h.nested(r))
	}
	e.Msg(r.Message)
	return nil
}

// nested returns the record's attributes within the open groups.
func (h *Handler) nested(r slog.Record) slog.Attr {
	attrs := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	for _, g := range slices.Backward(h.groups) {
		attrs = []slog.Attr{{Key: g.name, Value: slog.GroupValue(slices.Concat(g.attrs, attrs)...)}}
	}
	return attrs[0]
}

// WithAttrs returns a handler whose lines have the attributes.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	if n := len(h.groups); n > 0 {
		groups := slices.Clone(h.groups)
		groups[n-1].attrs = slices.Concat(groups[n-1].attrs, attrs)
		return &Handler{Logger: h.Logger, Has: h.Has, groups: groups}
	}
	attrs, has := Without(h.Has, attrs)
	return &Handler{Logger: h.Logger.With().EmbedObject(fields(attrs)).Logger(), Has: has}
}

// fields writes attributes into the logger's own fields.
type fields []slog.Attr

var _ zerolog.LogObjectMarshaler = fields(nil)

// MarshalZerologObject adds the attributes to the event.
func (f fields) MarshalZerologObject(e *zerolog.Event) {
	for _, a := range f {
		e = Append(e, a)
	}
}

// WithGroup returns a handler that writes further attributes into an object.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &Handler{Logger: h.Logger, Has: h.Has, groups: append(slices.Clone(h.groups), group{name: name})}
}

// Append adds an attribute to an event. Empty attributes and groups are left out.
func Append(e *zerolog.Event, a slog.Attr) *zerolog.Event {
	v := a.Value.Resolve()
	if a.Key == "" && v.Kind() != slog.KindGroup {
		return e
	}
	switch v.Kind() {
	case slog.KindString:
		return e.Str(a.Key, v.String())
	case slog.KindInt64:
		return e.Int64(a.Key, v.Int64())
	case slog.KindUint64:
		return e.Uint64(a.Key, v.Uint64())
	case slog.KindFloat64:
		return e.Float64(a.Key, v.Float64())
	case slog.KindBool:
		return e.Bool(a.Key, v.Bool())
	case slog.KindDuration:
		return e.Dur(a.Key, v.Duration())
	case slog.KindTime:
		return e.Time(a.Key, v.Time())
	case slog.KindGroup:
		return appendGroup(e, a.Key, v.Group())
	}
	if err, ok := v.Any().(error); ok {
		return e.AnErr(a.Key, err)
	}
	return e.Interface(a.Key, v.Any())
}

// appendGroup adds a group as an object; a group without a name is inlined.
func appendGroup(e *zerolog.Event, key string, attrs []slog.Attr) *zerolog.Event {
	if key == "" {
		for _, a := range attrs {
			e = Append(e, a)
		}
		return e
	}
	if !slices.ContainsFunc(attrs, written) {
		return e
	}
	dict := zerolog.Dict()
	for _, a := range attrs {
		dict = Append(dict, a)
	}
	return e.Dict(key, dict)
}

// written reports whether Append writes a field for the attribute.
func written(a slog.Attr) bool {
	if v := a.Value.Resolve(); v.Kind() == slog.KindGroup {
		return slices.ContainsFunc(v.Group(), written)
	}
	return a.Key != ""
}
