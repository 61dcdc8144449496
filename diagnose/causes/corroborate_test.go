package causes

import (
	"testing"

	"github.com/tenhop/tenhop/diagnose/result"
)

// A rise that is spread or may be chance is a spike of the only hop whose process surely has a
// cause of its own.
func TestCorroborate(t *testing.T) {
	finding := func(hop, kind string, sure bool, share float64) result.Finding {
		return result.Finding{Hop: hop, Kind: result.KindLink, Target: "caller", Share: share, Cause: &result.Cause{Kind: kind, Sure: sure, Service: hop}}
	}
	first := finding("store", result.CauseDBLock, false, .2)
	caller := finding("list", result.CauseFrozen, true, .15)
	caller.Cause.Service = "caller"
	unnamed := finding("list", result.CauseRestart, true, .15)
	unnamed.Cause.Service = ""
	failures := finding("list", result.CauseRestart, true, 1)
	failures.Kind = result.KindErrors
	for _, c := range []struct {
		why            string
		spread, chance bool
		findings       []result.Finding
		want, hop      string
	}{
		{"spread", true, false, []result.Finding{first, finding("list", result.CauseFrozen, true, .15)}, result.Spike, "list"},
		{"chance", false, true, []result.Finding{first, finding("list", result.CauseGC, true, .15)}, result.Spike, "list"},
		{"not sure of it", true, false, []result.Finding{first, finding("list", result.CauseFrozen, false, .15)}, result.Unsure, "store"},
		{"a symptom", true, false, []result.Finding{first, finding("list", result.CauseDependency, true, .15)}, result.Unsure, "store"},
		{"too little", true, false, []result.Finding{first, finding("list", result.CauseFrozen, true, .05)}, result.Unsure, "store"},
		{"two hops", true, false, []result.Finding{finding("list", result.CauseFrozen, true, .15), finding("cart", result.CauseGC, true, .12)}, result.Unsure, "list"},
		{"two hops, the first with little", true, false, []result.Finding{finding("list", result.CauseFrozen, true, .09), finding("cart", result.CauseGC, true, .12)}, result.Unsure, "list"},
		{"two findings of one hop", true, false, []result.Finding{first, finding("list", result.CauseFrozen, true, .15), finding("list", result.CauseFrozen, true, .12)}, result.Spike, "list"},
		{"the process of the other end", true, false, []result.Finding{first, caller}, result.Spike, "caller"},
		{"a cause that names no service", true, false, []result.Finding{first, unnamed}, result.Spike, "list"},
		{"failures", true, false, []result.Finding{failures, first}, result.Unsure, "list"},
		{"beside a finding with most of it", false, true, []result.Finding{finding("store", result.CauseSlowQuery, true, .85), finding("cart", result.CauseGC, true, .12)}, result.Unsure, "store"},
		{"unsure for another reason", false, false, []result.Finding{first, finding("list", result.CauseFrozen, true, .15)}, result.Unsure, "store"},
	} {
		r := &result.Result{Verdict: result.Unsure, Why: "why", Spread: c.spread, Chance: c.chance, Findings: c.findings}
		if (&table{}).corroborate(r); r.Verdict != c.want || r.Findings[0].Hop != c.hop || (r.Why == "") != (c.want == result.Spike) {
			t.Errorf("%s: %s %q, first %s; want %s, %s", c.why, r.Verdict, r.Why, r.Findings[0].Hop, c.want, c.hop)
		}
	}
}
