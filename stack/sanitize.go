package stack

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/stack/jaegerquery"
)

// sanitize makes the same replacements as Jaeger does before it stores spans: a
// resource without a valid service.name gets a placeholder, and a span that ends
// before it starts gets a duration of 1 ns.
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
				sanitizeDuration(span)
			}
		}
	}
}

// minDuration is the duration, in nanoseconds, of a span whose timestamps are in
// the wrong order.
const minDuration = 1

func sanitizeDuration(span ptrace.Span) {
	start, end := span.StartTimestamp(), span.EndTimestamp()
	if start < end {
		return
	}
	span.SetEndTimestamp(start + minDuration)
	jaegerquery.Warn(span, fmt.Sprintf(
		"Negative duration detected, sanitizing end timestamp. Original end timestamp: %s, adjusted to: %s",
		end.AsTime(), (start+minDuration).AsTime()))
}

// quiet returns a logger that drops records below level WARN.
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
