package stack

import (
	"context"
	"log/slog"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// sanitize makes spans fit to be stored, with the replacements that Jaeger
// makes: a service without a name gets one that says so, and a span that ends
// before it starts lasts no time.
func sanitize(td ptrace.Traces) {
	for _, rs := range td.ResourceSpans().All() {
		attrs := rs.Resource().Attributes()
		switch name, ok := attrs.Get("service.name"); {
		case !ok:
			attrs.PutStr("service.name", "missing-service-name")
		case name.Type() != pcommon.ValueTypeStr:
			attrs.PutStr("service.name", "service-name-wrong-type")
		case name.Str() == "":
			attrs.PutStr("service.name", "empty-service-name")
		}
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				span.SetName(strings.ToValidUTF8(span.Name(), "\uFFFD"))
				if span.EndTimestamp() < span.StartTimestamp() {
					span.SetEndTimestamp(span.StartTimestamp())
				}
			}
		}
	}
}

// quiet drops what a library says below a warning.
func quiet(l *slog.Logger) *slog.Logger { return slog.New(warnings{l.Handler()}) }

type warnings struct{ slog.Handler }

// Enabled implements slog.Handler.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
