package sample

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
	"github.com/tenhop/tenhop/trace"
)

// calls replaces findings that grew because a call is made more often, not because it
// takes longer, by one finding of the kind calls. It includes the growth behind the
// call. Calls of which more than a fifth fail are retries. Its hop is the callee if it serves
// these failures or has no spans, and the caller otherwise.
func (s *Sample) calls(found []result.Finding, base, now Requests) []result.Finding {
	before, after := base.profile(len(s.places)), now.profile(len(s.places))
	more := map[suspect]float64{} // ratio of the number of calls
	type count struct{ was, is float64 }
	counts, times := map[suspect]count{}, map[suspect]count{}
	for i, p := range s.places {
		k := s.suspectOf(p)
		c, t := counts[k], times[k]
		counts[k] = count{c.was + before.spans[i], c.is + after.spans[i]}
		times[k] = count{t.was + before.all[i], t.is + after.all[i]}
	}
	for k, c := range counts {
		t := times[k]
		if c.was < .2 || c.is < 1.5*c.was || t.is <= t.was {
			continue
		}
		// Growth due to the number of calls, at the mean time per call.
		if byNumber := (c.is - c.was) * (t.was/c.was + t.is/c.is) / 2; byNumber > .6*(t.is-t.was) {
			more[k] = c.is / c.was
		}
	}
	grown := map[string]bool{} // callees that are called more often
	for k := range more {
		if k.kind == result.KindLink {
			grown[k.hop] = true
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(more), func(x, y suspect) int {
		return cmp.Or(cmp.Compare(x.hop, y.hop), cmp.Compare(x.kind, y.kind), cmp.Compare(x.target, y.target))
	}) {
		caller, callee := k.target, k.hop
		if k.kind == result.KindDependency {
			caller, callee = k.hop, k.target
		}
		if k.kind == result.KindSelf || grown[caller] {
			continue
		}
		inside := s.behind(callee)
		if k.kind == result.KindDependency {
			inside = map[string]bool{}
		}
		whole := result.Finding{Hop: caller, Kind: result.KindCalls, Target: callee,
			Attributes: []result.Attribute{}, Exemplars: []string{},
			Calls: &result.Calls{Baseline: stats.Round(counts[k].was), Now: stats.Round(counts[k].is)}}
		whole.Cause = &result.Cause{Kind: result.CauseNPlusOne, Sure: true, Why: fmt.Sprintf("%s calls %s more often for each request", caller, callee),
			Evidence: []result.Signal{{Signal: "calls per request", Before: whole.Calls.Baseline, Now: whole.Calls.Now}}}
		if ratio := now.failureRatio(callee); ratio > .2 {
			if own, known := now.serves(callee); !known || own >= ratio/2 {
				whole.Hop, whole.Target = callee, caller
			}
			whole.Cause.Kind, whole.Cause.Why = result.CauseRetries, fmt.Sprintf("%s repeats calls of %s, which fail", caller, callee)
			whole.Cause.Evidence = append(whole.Cause.Evidence, result.Signal{Signal: "failed spans of " + callee, Before: stats.Round(100 * base.failureRatio(callee)), Now: stats.Round(100 * ratio), Unit: "%"})
		}
		var rest []result.Finding
		for _, f := range found {
			own := suspect{f.Hop, f.Kind, f.Target}
			if own != k && (!inside[f.Hop] || more[own] == 0) {
				rest = append(rest, f)
				continue
			}
			whole.BaselineMS, whole.NowMS = whole.BaselineMS+f.BaselineMS, whole.NowMS+f.NowMS
			whole.AddedMS, whole.Share = stats.Round(whole.AddedMS+f.AddedMS), stats.Round(whole.Share+f.Share)
			whole.Interval[0], whole.Interval[1] = stats.Round(whole.Interval[0]+f.Interval[0]), stats.Round(whole.Interval[1]+f.Interval[1])
			whole.Operation = cmp.Or(whole.Operation, f.Operation)
			whole.CounterfactualMS = stats.Round((now.mean(seconds))*1000 - whole.AddedMS)
		}
		if whole.AddedMS > 0 {
			found = append(rest, whole)
		}
	}
	slices.SortStableFunc(found, func(x, y result.Finding) int { return cmp.Compare(y.AddedMS, x.AddedMS) })
	return found
}

// behind returns a service and the services that it calls, directly or indirectly.
func (s *Sample) behind(service string) map[string]bool {
	seen := map[string]bool{service: true}
	for todo := []string{service}; len(todo) > 0; todo = todo[1:] {
		for _, p := range s.places {
			if p.kind == result.KindLink && p.target == todo[0] && !seen[p.hop] {
				seen[p.hop] = true
				todo = append(todo, p.hop)
			}
		}
	}
	return seen
}

// serves returns the ratio of a service's own spans, other than those of calls, that failed,
// and whether there are any.
func (s Requests) serves(service string) (ratio float64, known bool) {
	failed, all := 0.0, 0.0
	for _, r := range s.requests {
		for _, x := range r.trace.Spans {
			if x.Service == service && x.Kind != trace.Client {
				all++
				if x.Failed {
					failed++
				}
			}
		}
	}
	return failed / math.Max(all, 1), all > 0
}

// failureRatio returns the ratio of a service's spans, and of calls to it, that failed.
func (s Requests) failureRatio(service string) float64 {
	failed, all := 0.0, 0.0
	for _, r := range s.requests {
		for _, x := range r.trace.Spans {
			if x.Service == service && x.Kind != trace.Client || x.Kind == trace.Client && x.Peer() == service {
				all++
				if x.Failed {
					failed++
				}
			}
		}
	}
	return failed / math.Max(all, 1)
}
