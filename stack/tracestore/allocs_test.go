package tracestore

import (
	"math/rand/v2"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
)

// TestAppendAllocations bounds the allocations of a span that is stored.
func TestAppendAllocations(t *testing.T) {
	s := open(t, t.TempDir())
	const runs = 50
	sent := exports(rand.New(rand.NewPCG(1, 1)), 1)[0]
	var requests []ptrace.Traces
	for i := range runs + 1 {
		for j := range sent {
			sent[j].at = time.Duration(i) // a repeated span would not be stored
		}
		requests = append(requests, oneScope(batch(sent...)))
	}
	const most = 1
	got := testing.AllocsPerRun(runs, func() {
		if err := s.Append(requests[0]); err != nil {
			t.Fatal(err)
		}
		requests = requests[1:]
	})
	if got /= float64(len(sent)); got > most {
		t.Errorf("%.2f allocations per span, want at most %d", got, most)
	}
}

// oneScope returns a request with the spans of td in the first resource and scope.
func oneScope(td ptrace.Traces) ptrace.Traces {
	out := ptrace.NewTraces()
	for i, rs := range td.ResourceSpans().All() {
		if i == 0 {
			rs.MoveTo(out.ResourceSpans().AppendEmpty())
			continue
		}
		rs.ScopeSpans().At(0).Spans().MoveAndAppendTo(spansOf(out))
	}
	return out
}

// TestSpansOfTracesTakeTurns stores a request in which the spans of three traces take
// turns, and a part of which is stored already.
func TestSpansOfTracesTakeTurns(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	var sent []testSpan
	for i := range byte(12) {
		sent = append(sent, testSpan{trace: 1 + i%3, span: i, service: "a", name: string('a' + rune(i)), at: time.Duration(i)})
	}
	add(t, s, sent[3:5]...)
	if err := s.Append(oneScope(batch(sent...))); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		for trace, want := range map[byte]int{1: 4, 2: 4, 3: 4} {
			if got := spanNames(t, s, trace); len(got) != want {
				t.Errorf("trace %d has the spans %v, want %d", trace, got, want)
			}
		}
		if n := s.Stats().Spans; n != len(sent) {
			t.Errorf("%d spans are stored, want %d", n, len(sent))
		}
	}
	check()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if err := s.Append(oneScope(batch(sent...))); err != nil { // again, after a restart
		t.Fatal(err)
	}
	check()
}
