package adapter

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/internal/wire"
)

// Scope is the name of the instrumentation scope of all spans of the middleware. It
// is also the path of the module that owns them.
const Scope = scope

// Wait is the time that a hop had calls to one dependency in flight.
type Wait struct {
	Dependency Dependency
	Duration   time.Duration
}

// Measured describes a hop that was measured by other means, such as the spans of
// another instrumentation.
type Measured struct {
	Protocol   string // "http", "grpc", "kafka", …
	Operation  string // of low cardinality
	Entry      string // "" when the hop is the entry itself
	EntryStart time.Time
	Async      bool // no caller waits for the hop

	End      time.Time
	Duration time.Duration
	Self     time.Duration // Duration without the union of all waits
	Waits    []Wait        // may be reused once Report has returned

	SpanContext trace.SpanContext // for exemplars
}

// Report observes the hop_* families for a hop that was measured by other means. It
// writes no log line and ends no span.
func (t *Core) Report(m *Measured) {
	t.served()
	f := t.families
	l := hopLabels{protocol: m.Protocol, operation: m.Operation, entry: m.Operation, flow: flowRequest}
	if m.Entry != "" {
		l.entry = f.entries.intern(m.Entry, m.End).value
	}
	if m.Async {
		l.flow = flowAsync
	}
	s := f.ofHop(l)
	s.self.Observe(m.Self, m.End, m.SpanContext)
	s.whole.Observe(m.Duration, m.End, m.SpanContext)
	for i := range m.Waits {
		s.waitFor(f, m.Waits[i].Dependency).Observe(m.Waits[i].Duration, m.End, m.SpanContext)
	}
	if m.Async && m.Entry != "" && !m.EntryStart.IsZero() && m.End.Sub(m.EntryStart) < maxCompletion {
		s.resolved(&s.completion, f.completion).Observe(m.End.Sub(m.EntryStart), m.End, m.SpanContext)
	}
}

// EntryFromBaggage returns the entry, its start and whether the request passed a
// queue, from the OpenTelemetry baggage in ctx. The entry is "" when there is none.
func (t *Core) EntryFromBaggage(ctx context.Context) (entry string, start time.Time, async bool) {
	b := baggage.FromContext(ctx)
	if b.Len() == 0 {
		return "", time.Time{}, false
	}
	return wire.EntryOf(func(key string) string { return b.Member(key).Value() })
}
