package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/links"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
	"github.com/tenhop/tenhop/trace"
)

// Thresholds of a wait for a service that reports no self time. They were set with a few drills
// in sight.
const (
	minOnLink = .5  // of the added time, by which the time that calls are on their way grew
	mostCalls = 1.3 // calls for each request, now to before: more calls are no slower link
	alsoSlow  = .2  // share of another link of the same caller, as a part of this one's
)

// onLink makes the wait for a service that reports no self time a finding of the link to it,
// if its spans show that it did not become slower: metrics cannot tell its work from the way to
// it.
func (d *Diagnosis) onLink(before, now []trace.Trace) {
	for i := range d.result.Findings {
		f := &d.result.Findings[i]
		if f.Kind != result.KindSelf || f.Entry != "" || f.AddedMS <= 0 || f.Cause != nil || !d.evidence.Metrics.Foreign[f.Hop] ||
			len(before) < stats.MinRequests || len(now) < stats.MinRequests {
			continue
		}
		was, is := gapsTo(f.Hop, before), gapsTo(f.Hop, now)
		caller, grew := "", 0.0
		for by, g := range is {
			if more := g.ms - was[by].ms; more > grew || more == grew && by < caller {
				caller, grew = by, more
			}
		}
		if was[caller].calls == 0 || is[caller].calls > mostCalls*was[caller].calls || grew < minOnLink*f.AddedMS {
			continue
		}
		f.Kind, f.Target, f.Operation, f.Operations, f.EitherEnd = result.KindLink, caller, "", nil, true
		f.Evidence = fmt.Sprintf("the calls of %s to %s are outside its spans for %.0f ms more of each request; nothing tells whether %s or %s delays them",
			caller, f.Hop, grew, caller, f.Hop)
		d.sameCaller(i)
	}
}

// sameCaller makes the caller the end of a link if another link of it slowed as well, whose end
// is the caller or not known.
func (d *Diagnosis) sameCaller(i int) {
	f := &d.result.Findings[i]
	caller, callee := f.Target, f.Hop
	for j := range d.result.Findings {
		o := &d.result.Findings[j]
		if j == i || o.Kind != result.KindLink || o.Entry != "" || o.Target == "caller" || o.Share < alsoSlow*f.Share ||
			o.Hop != caller && (!o.EitherEnd || o.Target != caller) {
			continue
		}
		if o.Hop != caller {
			o.Hop, o.Target = o.Target, o.Hop
		}
		why := links.Words(links.Link{Caller: caller, Callee: callee}, links.End{Hop: caller, Sure: true, With: []string{o.Target, callee}})
		o.EitherEnd, o.Together, o.Evidence = false, true, why
		f.Hop, f.Target, f.EitherEnd, f.Together, f.Evidence = caller, callee, false, true, why
		return
	}
}

// gap holds the calls of a service to another, for each request.
type gap struct {
	ms    float64 // in which calls are in flight and outside the callee's spans
	calls float64
}

// gapsTo returns the calls to a service by caller, those that have spans at both ends. Calls at
// the same time count once, as the waits of the metrics do.
func gapsTo(callee string, traces []trace.Trace) map[string]gap {
	out := map[string]gap{}
	var tree trace.Tree
	for i := range traces {
		tree.Load(&traces[i])
		calls, served := map[string][]trace.Segment{}, []trace.Segment{}
		for _, s := range tree.Order() {
			if !tree.Span(s).Kind.Calls() {
				continue
			}
			found := false
			for _, c := range tree.Children(s) { // an attempt each
				if tree.Span(c).Service == callee && !tree.Span(c).Kind.Calls() && !tree.Async(c) {
					served, found = append(served, trace.Segment{From: tree.Start(c), To: tree.End(c)}), true
				}
			}
			if found {
				by := tree.Span(s).Service
				calls[by] = append(calls[by], trace.Segment{From: tree.Start(s), To: tree.End(s)})
			}
		}
		for by, c := range calls {
			g := out[by]
			g.calls += float64(len(c))
			g.ms += (covered(slices.Concat(c, served)) - covered(served)).Seconds() * 1000
			out[by] = g
		}
	}
	for by, g := range out {
		out[by] = gap{g.ms / float64(len(traces)), g.calls / float64(len(traces))}
	}
	return out
}

// covered returns the time that lies in at least one of some segments.
func covered(segments []trace.Segment) (total time.Duration) {
	sorted := slices.SortedFunc(slices.Values(segments), func(a, b trace.Segment) int { return cmp.Compare(a.From, b.From) })
	var end time.Duration
	for i, s := range sorted {
		if i == 0 || s.From > end {
			end = s.From
		}
		if s.To > end {
			total, end = total+s.To-end, s.To
		}
	}
	return total
}
