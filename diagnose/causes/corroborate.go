package causes

import (
	"cmp"
	"slices"

	"github.com/tenhop/tenhop/diagnose/result"
)

// own are the causes that a process has by itself, whatever its callers and its callees do.
var own = []string{result.CauseFrozen, result.CauseThrottled, result.CauseGC, result.CauseRestart, result.CauseMemory}

// minCulprit is the share of the added time that the finding of a culprit must have. It was set
// with two drills in sight.
const minCulprit = .1

// corroborate makes a rise that is spread over many findings, or may be chance, a spike of the
// only hop whose process surely has a cause of its own. Two kinds of evidence that are weak
// alone are strong together: the requests became slower when a signal moved that does not
// depend on them. On a machine that is short of processor time many signals move at once.
func (t *table) corroborate(r *result.Result) {
	if r.Verdict != result.Unsure || !r.Spread && !r.Chance || t.busy() != "" {
		return
	}
	at, service := culprit(r.Findings)
	if at < 0 {
		return
	}
	f := r.Findings[at]
	if f.Hop != service {
		turn(&f, service)
	}
	r.Findings = slices.Insert(slices.Delete(r.Findings, at, at+1), 0, f)
	r.Verdict, r.Why, r.Spread, r.Chance = result.Spike, "", false, false
	r.Renumber()
}

// culprit returns the index of the first finding of the only service whose process surely has a
// cause of its own, and the service. The index is -1 without one, with several, and if another
// finding has much more.
func culprit(found []result.Finding) (at int, service string) {
	at = -1
	for i, f := range found {
		if f.Entry != "" || f.Kind == result.KindErrors || f.Cause == nil || !f.Cause.Sure || !slices.Contains(own, f.Cause.Kind) {
			continue
		}
		of := cmp.Or(f.Cause.Service, f.Hop)
		if service != "" && of != service {
			return -1, ""
		}
		service = of
		if named := f.Hop == of || f.Kind == result.KindLink && f.Target == of; at < 0 && named && f.Share >= minCulprit && !f.EitherEnd {
			at = i
		}
	}
	for i := range max(at, 0) {
		if o := found[i]; o.Share > result.MostSpread || o.Entry == "" && o.Cause != nil && o.Cause.Sure && o.Share > found[at].Share {
			return -1, ""
		}
	}
	return at, service
}
