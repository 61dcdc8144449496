package diagnose

import (
	"fmt"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
	"github.com/tenhop/tenhop/trace"
)

// Thresholds of a wait for a service that reports no self time. They were set with two drills
// in sight.
const (
	minOnLink = .5  // of the added time, that calls are on their way
	mostCalls = 1.3 // calls for each request, now to before: more calls are no slower link
	alsoSlow  = .2  // share of another link of the same caller, as a part of this one's
)

// onLink makes the wait for a service that reports no self time a finding of the link to it,
// if its spans show that it was quick: metrics cannot tell its work from the way to it.
func (d *Diagnosis) onLink(before, now []trace.Trace) {
	for i := range d.result.Findings {
		f := &d.result.Findings[i]
		if f.Kind != result.KindSelf || f.Entry != "" || !d.evidence.Metrics.Foreign[f.Hop] || d.reports(f.Hop) {
			continue
		}
		was, is := gapsTo(f.Hop, before), gapsTo(f.Hop, now)
		caller, gap := is.caller, is.ms
		if is.requests < stats.MinRequests || was.requests < stats.MinRequests || is.calls > mostCalls*was.calls || gap-was.ms < minOnLink*f.AddedMS {
			continue
		}
		f.Kind, f.Target, f.Operation, f.Operations, f.EitherEnd = result.KindLink, caller, "", nil, true
		f.Evidence = fmt.Sprintf("of the calls of %s to %s, %.0f ms for each request are outside its spans; nothing tells whether %s or %s delays them",
			caller, f.Hop, gap, caller, f.Hop)
		d.sameCaller(i)
	}
}

// reports reports whether the metrics hold self times of a service.
func (d *Diagnosis) reports(service string) bool {
	for _, h := range d.evidence.Metrics.Hops {
		if h.Service == service {
			return true
		}
	}
	return false
}

// sameCaller makes the caller the end of a link if another link of it slowed as well.
func (d *Diagnosis) sameCaller(i int) {
	f := &d.result.Findings[i]
	caller, callee := f.Target, f.Hop
	for j := range d.result.Findings {
		o := &d.result.Findings[j]
		if j == i || o.Kind != result.KindLink || o.Entry != "" || o.Share < alsoSlow*f.Share || o.Hop != caller && o.Target != caller {
			continue
		}
		if o.Target == caller {
			o.Hop, o.Target = o.Target, o.Hop
		}
		why := fmt.Sprintf("the links of %s with %s and %s slowed together", caller, o.Target, callee)
		o.EitherEnd, o.Together, o.Evidence = false, true, why
		f.Hop, f.Target, f.EitherEnd, f.Together, f.Evidence = caller, callee, false, true, why
		return
	}
}

// gaps holds the calls to a service that have spans at both ends.
type gaps struct {
	caller   string  // that calls the service most
	ms       float64 // for each request in which the caller's calls are outside the callee's spans
	calls    float64 // of the caller, for each request
	requests int     // with calls
}

func gapsTo(callee string, traces []trace.Trace) (out gaps) {
	outside, calls := map[string]float64{}, map[string]int{}
	var tree trace.Tree
	for i := range traces {
		tree.Load(&traces[i])
		found := false
		for _, s := range tree.Order() {
			if !tree.Span(s).Kind.Calls() {
				continue
			}
			if c := tree.Callee(s); c != trace.None && tree.Span(c).Service == callee && !tree.Async(c) {
				by := tree.Span(s).Service
				outside[by] += max((tree.Took(s)-tree.Took(c)).Seconds(), 0) * 1000
				calls[by]++
				found = true
			}
		}
		if found {
			out.requests++
		}
	}
	if out.requests == 0 {
		return out
	}
	for by, n := range calls {
		if out.caller == "" || n > calls[out.caller] || n == calls[out.caller] && by < out.caller {
			out.caller = by
		}
	}
	n := float64(out.requests)
	out.ms, out.calls = outside[out.caller]/n, float64(calls[out.caller])/n
	return out
}
