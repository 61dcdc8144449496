package causes_test

import (
	"testing"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// TestGivenUp tells that requests hang from those that callers gave up, however soon they do.
func TestGivenUp(t *testing.T) {
	const rate = 2 * perSecond
	for _, c := range []struct {
		why         string
		kind        string // error.type
		before, now float64
		cause       string
	}{
		{"half are given up", "CANCELLED", 0, rate / 2, result.CauseFrozen},
		{"half are given up at a proxy", "499", 0, rate / 2, result.CauseFrozen},
		{"as many were before", "CANCELLED", rate / 2, rate / 2, result.CauseUnknown},
		{"half fail", "INTERNAL", 0, rate / 2, result.CauseUnknown},
	} {
		r := found(result.KindSelf, "stock", "", .01, .9)
		m := evidence.Metrics{Start: began, Step: every, Steps: seconds / 2, Calls: []evidence.CallSeries{
			{Service: "stock", Operation: r.Findings[0].Operation, Count: steps(rate, rate), Failed: steps(c.before, c.now), Types: map[string][]float64{c.kind: steps(c.before, c.now)}}}}
		if got := causeFrom(t, r, m, idleStock()); got == nil || got.Kind != c.cause || got.Sure {
			t.Errorf("%s: %s, want %s", c.why, show(got), c.cause)
		}
	}
}
