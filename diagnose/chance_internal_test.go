package diagnose

import (
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// Chance is the only reason for a doubt if no other forbids a sure verdict.
func TestChance(t *testing.T) {
	m := evidence.Metrics{Start: time.Unix(1_700_000_000, 0), Step: 2 * time.Second, Steps: 100}
	for _, c := range []struct {
		why    string
		steps  int // of the baseline
		change func(*grounds)
		want   bool
	}{
		{"nothing else", 60, func(*grounds) {}, true},
		{"a short baseline", 10, func(*grounds) {}, false},
		{"old evidence", 60, func(g *grounds) { g.stale = "old" }, false},
		{"another entry may matter more", 60, func(g *grounds) { g.outweighed = "another" }, false},
		{"it cannot be split", 60, func(g *grounds) { g.unsplit = "why" }, false},
		{"traces that the metrics do not confirm", 60, func(g *grounds) {
			g.reconciled, g.decidedBy = &decision{verdict: result.Unsure}, result.DecidedByTraces
		}, false},
	} {
		d := &Diagnosis{evidence: Evidence{Metrics: m}, doubtful: &evidence.Change{Baseline: evidence.Steps(0, c.steps)}}
		g := grounds{doubt: "may be slower", needed: time.Minute}
		if c.change(&g); d.chance(g, g.doubt) != c.want {
			t.Errorf("%s: want %v", c.why, c.want)
		}
	}
}
