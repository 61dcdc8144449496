package sample

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tenhop/tenhop/trace"
)

// tangle is a trace of random spans: parents anywhere, some missing, some in
// cycles, times that stick out.
func tangle(rng *rand.Rand, n int) trace.Trace {
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

// Whatever the trace, the parts add up to its entry's duration, none is
// negative, and playing it again unchanged takes as long where its children lie
// within their parents.
func TestPathAddsUp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	w := newWalker()
	for range 20_000 {
		tr := tangle(rng, 1+rng.IntN(12))
		root := w.load(tr)
		if root == none {
			continue
		}
		total := time.Duration(0)
		for _, c := range w.path(root) {
			if c.time < 0 {
				t.Fatalf("%v of %v in %+v", c.time, c.part, tr)
			}
			total += c.time
		}
		if want := w.nodes[root].end - w.nodes[root].start; total != want {
			t.Fatalf("parts add up to %v of %v: %+v", total, want, tr)
		}
		same := w.replay(root, func(int32, time.Duration) float64 { return 1 })
		if inside(w, root) && same != w.nodes[root].end-w.nodes[root].start {
			t.Fatalf("replayed in %v instead of %v: %+v", same, total, tr)
		}
	}
}

// inside tells whether all waited children lie within their parents.
func inside(w *walker, i int32) bool {
	for _, c := range w.waited(i) {
		if w.nodes[c].start < w.nodes[i].start || w.nodes[c].end > w.nodes[i].end || !inside(w, c) {
			return false
		}
	}
	return true
}
