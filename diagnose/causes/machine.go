package causes

import (
	"fmt"
	"slices"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/signals"
)

// Thresholds of a machine that is short of processor time. They were chosen on a storefront
// on a busy machine and on quiet ones.
const (
	minWaiting  = .1  // growth of the time that a process waits for a processor, per time
	minLonger   = 3.  // now to before
	mostWaiting = .75 // of the services
	minWaiters  = 4   // services
)

// busy returns a sentence if the processes of most services wait for a processor longer than
// before, and "" otherwise.
func (t *table) busy() string {
	waits := map[string][2]float64{} // before and now, of the instance that waits most
	for _, i := range t.instances {
		tr, ok := i.tracks[signals.CPUWait]
		if !ok {
			continue
		}
		base, now := t.windows.split(tr.points)
		if len(base) < minPoints || len(now) == 0 {
			continue
		}
		if w := [2]float64{mean(base), mean(now)}; w[1] >= waits[i.service][1] {
			waits[i.service] = w
		}
	}
	longer := 0
	for _, w := range waits {
		if w[1]-w[0] >= minWaiting && w[1] >= minLonger*w[0] {
			longer++
		}
	}
	if len(waits) < minWaiters || float64(longer) < mostWaiting*float64(len(waits)) {
		return ""
	}
	return fmt.Sprintf("the processes of %d of %d services wait at least %.0f times as long for a processor as before: the machine is short of processor time, which makes every hop slower",
		longer, len(waits), minLonger)
}

// symptoms are the causes that a busy machine gives its victims: whatever they call takes longer.
var symptoms = []string{result.CauseDependency, result.CauseLink, result.CauseUnknown}

// doubt makes a spike unsure if the machine is busy and no cause tells that the first
// finding is more than a victim of it.
func (t *table) doubt(r *result.Result) {
	if r.Verdict != result.Spike || len(r.Findings) == 0 {
		return
	}
	if c := r.Findings[0].Cause; c != nil && c.Sure && !slices.Contains(symptoms, c.Kind) || slices.Contains([]string{result.KindMix, result.KindErrors}, r.Findings[0].Kind) {
		return
	}
	if why := t.busy(); why != "" {
		r.Verdict, r.Why = result.Unsure, why
	}
}
