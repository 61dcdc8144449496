package sample

import (
	"slices"

	"github.com/tenhop/tenhop/diagnose/result"
)

// Thresholds of saturation, as fractions.
const (
	minBehind      = .1  // time that the callee added, of the time that calls wait in front of it
	minBehindRatio = .25 // growth of the callee's own time
)

// CausesFirst moves the findings behind a link before the finding of the link. Near
// saturation, a callee that takes a little longer lets its callers wait much longer in
// front of it (Kingman 1961).
func (s *Sample) CausesFirst(found []result.Finding) []result.Finding {
	var out []result.Finding
	for len(found) > 0 {
		first := 0
		if q := found[0]; q.Kind == result.KindLink || q.Kind == result.KindConcurrency {
			behind := s.behind(q.Hop)
			if q.Kind == result.KindConcurrency {
				behind = s.behind(q.Target)
			}
			if i := slices.IndexFunc(found, func(f result.Finding) bool {
				return f.Kind != result.KindLink && f.Kind != result.KindMix && f.Kind != result.KindConcurrency && behind[f.Hop] &&
					f.AddedMS > minBehind*q.AddedMS && f.AddedMS > minBehindRatio*f.BaselineMS
			}); i > 0 {
				first = i
				if q.Cause == nil {
					found[0].Cause = saturation(q, found[i])
				}
			}
		}
		out = append(out, found[first])
		found = slices.Delete(found, first, first+1)
	}
	return out
}

// saturation returns the cause of a wait in front of a callee whose own time grew.
func saturation(queue, slow result.Finding) *result.Cause {
	what := slow.Hop
	if slow.Target != "" && slow.Kind == result.KindDependency {
		what = slow.Target + " of " + slow.Hop
	}
	return &result.Cause{Kind: result.CauseSaturation,
		Why: "calls wait in front of " + queue.Hop + " while " + what + " takes longer: mend that first",
		Evidence: []result.Signal{{Signal: "time of " + what, Before: slow.BaselineMS, Now: slow.NowMS, Unit: "ms"},
			{Signal: "wait in front of " + queue.Hop, Before: queue.BaselineMS, Now: queue.NowMS, Unit: "ms"}}}
}
