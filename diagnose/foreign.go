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
	minOnLink = .5 // of the added time, that calls are on their way
	alsoSlow  = .2 // share of another link of the same caller, as a part of this one's
)

// onLink makes the wait for a service that reports no self time a finding of the link to it,
// if its spans show that it was quick: metrics cannot tell its work from the way to it.
func (d *Diagnosis) onLink(now []trace.Trace) {
	for i := range d.result.Findings {
		f := &d.result.Findings[i]
		if f.Kind != result.KindSelf || f.Entry != "" || !d.evidence.Metrics.Foreign[f.Hop] || d.reports(f.Hop) {
			continue
		}
		caller, gap, n := gapsTo(f.Hop, now)
		if n < stats.MinRequests || caller == "" || gap-f.BaselineMS < minOnLink*f.AddedMS {
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

// gapsTo returns the service that calls another most, the time for each request in which
// these calls are outside the callee's spans, in milliseconds, and the number of requests.
func gapsTo(callee string, traces []trace.Trace) (caller string, ms float64, requests int) {
	gaps, calls := map[string]float64{}, map[string]int{}
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
				gaps[by] += max((tree.Took(s) - tree.Took(c)).Seconds(), 0) * 1000
				calls[by]++
				found = true
			}
		}
		if found {
			requests++
		}
	}
	if requests == 0 {
		return "", 0, 0
	}
	for by, n := range calls {
		if caller == "" || n > calls[caller] || n == calls[caller] && by < caller {
			caller = by
		}
	}
	return caller, gaps[caller] / float64(requests), requests
}
