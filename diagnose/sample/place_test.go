package sample

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tenhop/tenhop/trace"
)

// randomTrace returns a trace of random spans. Parents are arbitrary: some are missing,
// some form cycles. Spans may lie outside their parents.
func randomTrace(rng *rand.Rand, n int) trace.Trace {
	t := trace.Trace{ID: "t"}
	for i := range n {
		s := trace.Span{ID: fmt.Sprint(i), Service: string(rune('a' + rng.IntN(4))), Operation: fmt.Sprint("op", rng.IntN(3)),
			Kind:  []trace.Kind{"server", "client", "consumer", "internal", ""}[rng.IntN(5)],
			Start: time.Unix(0, rng.Int64N(1e9)), Duration: time.Duration(rng.Int64N(1e9) - 1e7)}
		if rng.IntN(8) > 0 {
			s.Parent = fmt.Sprint(rng.IntN(n + 2))
		}
		t.Spans = append(t.Spans, s)
	}
	return t
}

// The costs of a trace add up to the duration of its entry, and none is negative.
func TestPathAddsUp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	m := newMeasurer()
	for range 20_000 {
		tr := randomTrace(rng, 1+rng.IntN(12))
		root := m.load(&tr)
		if root == trace.None {
			continue
		}
		total := time.Duration(0)
		for _, c := range m.path(root) {
			if c.time < 0 {
				t.Fatalf("%v of %v in %+v", c.time, c.place, tr)
			}
			total += c.time
		}
		if total != m.took(root) {
			t.Fatalf("costs add up to %v of %v: %+v", total, m.took(root), tr)
		}
	}
}
