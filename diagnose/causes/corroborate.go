package causes

import (
	"slices"

	"github.com/tenhop/tenhop/diagnose/result"
)

// own are the causes that a process has by itself, whatever its callers and its callees do.
var own = []string{result.CauseFrozen, result.CauseThrottled, result.CauseGC, result.CauseRestart, result.CauseMemory}

// minCulprit is the share of the added time that a finding must have to tell the hop of a rise
// that is spread. It was set with two drills in sight.
const minCulprit = .1

// corroborate makes a rise that is spread over many findings, or may be chance, a spike of the
// only hop whose process surely has a cause of its own. Two kinds of evidence that are weak
// alone are strong together: the requests became slower when a signal moved that does not
// depend on them.
func corroborate(r *result.Result) {
	if r.Verdict != result.Unsure || !r.Spread && !r.Chance {
		return
	}
	at := -1
	for i, f := range r.Findings {
		switch {
		case f.Entry != "" || f.Cause == nil || !f.Cause.Sure || !slices.Contains(own, f.Cause.Kind):
		case at >= 0 && r.Findings[at].Hop != f.Hop:
			return
		case at < 0 && f.Share >= minCulprit && !f.EitherEnd:
			at = i
		}
	}
	if at < 0 {
		return
	}
	f := r.Findings[at]
	r.Findings = slices.Insert(slices.Delete(r.Findings, at, at+1), 0, f)
	r.Verdict, r.Why, r.Spread, r.Chance = result.Spike, "", false, false
	r.Renumber()
}
