package causes

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// Thresholds of calls that are made more often.
const (
	moreVisits = 1.5 // messages of a hop per request of the entry, now to before
	againMore  = 1.2 // the same, if calls of the hop fail
	byNumber   = .6  // of the growth, that follows from the number
	minFailing = .1  // growth of the part of the calls that fail
	repeated   = .5  // of the added calls, that as many failures explain
)

// loop is a caller that makes more calls of a callee for each request of the entry.
type loop struct {
	caller, operation, callee string
	calls                     result.Calls
}

// flow compares the messages and calls of an entry's requests, now to before.
type flow struct {
	evidence.Change
	m evidence.Metrics
}

// visits returns the causes of a hop that handles more messages for each request of the
// entry: calls are repeated because they fail, or a caller makes more of them. The caller is
// the first of the chain that does.
func visits(f result.Finding, q Question) []candidate {
	c, ok := changeOf(f, q)
	if !ok || f.Kind != result.KindSelf && f.Kind != result.KindLink && f.Kind != result.KindErrors && f.Kind != result.KindDependency {
		return nil
	}
	w := flow{c, q.Metrics}
	callee, caller := w.ends(f)
	before, now := w.handled(callee)
	main := w.caller(callee)
	if callee == c.Entry.Service || before <= 0 || now < againMore*before || caller != "" && main != "" && main != caller {
		return repeats(f, w)
	}
	// The growth from the number of calls, at the mean time of one.
	grown := (now - before) * (f.BaselineMS/before + f.NowMS/now) / 2
	explained := f.AddedMS > 0 && grown >= byNumber*f.AddedMS
	l := w.first(callee)
	calls := result.Signal{Signal: "calls of " + l.callee + " per request", Before: round(l.calls.Baseline), Now: round(l.calls.Now)}
	who := cmp.Or(l.caller, "a caller")
	failed := [2]float64{failing(w.m, l.callee, c.Baseline), failing(w.m, l.callee, c.Now)}
	if f.Kind != result.KindDependency && failed[1]-failed[0] >= minFailing && failed[1]*l.calls.Now-failed[0]*l.calls.Baseline >= repeated*(l.calls.Now-l.calls.Baseline) ||
		explained && w.lost(l, failed) {
		// They explain the time of the calls. What fails may have failed before they were repeated.
		out := candidate{Cause: result.Cause{Kind: result.CauseRetries, Sure: f.Kind != result.KindErrors,
			Why:      fmt.Sprintf("%s repeats calls of %s, which fail", who, l.callee),
			Evidence: []result.Signal{calls, {Signal: "calls of " + l.callee + " that fail", Before: round(100 * failed[0]), Now: round(100 * failed[1]), Unit: "%"}}},
			service: l.callee, share: 1}
		if l.caller != "" && w.lost(l, failed) && (explained || f.Kind == result.KindErrors && now >= moreVisits*before) {
			out.loop = &l
		}
		return []candidate{out}
	}
	if f.Kind == result.KindErrors || now < moreVisits*before || !explained {
		return nil
	}
	out := candidate{Cause: result.Cause{Kind: result.CauseNPlusOne, Sure: true, Evidence: []result.Signal{calls},
		Why: fmt.Sprintf("%s calls %s more often for each request, each call as long as before", who, l.callee)}, service: l.callee, share: grown / f.AddedMS}
	if l.caller != "" {
		out.loop = &l
	}
	return []candidate{out}
}

// repeats returns the cause of a hop that spends its own time on calls that it repeats
// because their responses are lost.
func repeats(f result.Finding, w flow) []candidate {
	if f.Kind != result.KindSelf {
		return nil
	}
	var out []candidate
	most := 0.0
	for _, callee := range w.callees(f.Hop) {
		l := w.first(callee)
		failed := [2]float64{failing(w.m, callee, w.Baseline), failing(w.m, callee, w.Now)}
		more := l.calls.Now - l.calls.Baseline
		if l.callee != callee || l.caller != f.Hop || l.calls.Baseline <= 0 || l.calls.Now < moreVisits*l.calls.Baseline || !w.lost(l, failed) || more <= most {
			continue
		}
		most = more
		out = []candidate{{Cause: result.Cause{Kind: result.CauseRetries, Sure: true, Why: fmt.Sprintf("%s repeats calls of %s, which fail", f.Hop, callee),
			Evidence: []result.Signal{{Signal: "calls of " + callee + " per request", Before: round(l.calls.Baseline), Now: round(l.calls.Now)},
				{Signal: "calls of " + callee + " that fail", Before: round(100 * failed[0]), Now: round(100 * failed[1]), Unit: "%"}}},
			service: f.Hop, share: 1, loop: &l}}
	}
	return out
}

// handled returns the messages that a service handles for each request, before and now.
func (w flow) handled(service string) (before, now float64) {
	var all []float64
	for _, h := range w.m.Hops {
		if h.Service == service && h.Entry == w.Entry.Operation && h.Flow != "async" {
			all = evidence.Plus(all, h.Count)
		}
	}
	return w.PerRequest(all)
}

// callees returns the services that a service calls.
func (w flow) callees(service string) []string {
	var out []string
	for _, c := range w.m.Calls {
		if c.Service == service && c.Dependency != "" && !slices.Contains(out, c.Dependency) {
			out = append(out, c.Dependency)
		}
	}
	slices.Sort(out)
	return out
}

// ends returns the callee of a finding and, of a link, the caller, or "".
func (w flow) ends(f result.Finding) (callee, caller string) {
	if f.Kind != result.KindLink {
		return f.Hop, ""
	}
	for _, c := range w.m.Calls {
		if c.Service == f.Hop && c.Dependency == f.Target {
			return f.Target, f.Hop
		}
	}
	return f.Hop, f.Target
}

// caller returns the service whose calls of a service grew most, or "".
func (w flow) caller(service string) (name string) {
	by := map[string]float64{}
	for _, c := range w.m.Calls {
		if c.Dependency == service && c.Service != service {
			by[c.Service] += w.Now.Sum(c.Count)/float64(max(len(w.Now), 1)) - w.Baseline.Sum(c.Count)/float64(max(len(w.Baseline), 1))
		}
	}
	most := 0.0
	for _, s := range slices.Sorted(maps.Keys(by)) {
		if by[s] > most {
			name, most = s, by[s]
		}
	}
	return name
}

// first returns the caller that makes more calls, of a service or of one on the way to it:
// what handles more messages itself calls others more often, too.
func (w flow) first(callee string) loop {
	before, now := w.handled(callee)
	seen := map[string]bool{callee: true}
	for {
		caller := w.caller(callee)
		if b, n := w.handled(caller); caller != "" && caller != w.Entry.Service && !seen[caller] && b > 0 && n >= againMore*b && now/before < moreVisits*n/b {
			seen[caller] = true
			callee, before, now = caller, b, n
			continue
		}
		l := loop{caller: caller, callee: callee, calls: result.Calls{Baseline: stats.Round(before), Now: stats.Round(now)}}
		l.operation = w.operation(l)
		return l
	}
}

// operation returns the operation of a caller that waits longer for a callee than before or,
// if that is unknown, the one that handles most messages.
func (w flow) operation(l loop) (name string) {
	most := 0.0
	note := func(operation string, v []float64, grown bool) {
		before, now := w.PerRequest(v)
		if grown {
			now -= before
		}
		if now > most {
			name, most = operation, now
		}
	}
	for _, s := range w.m.Waits {
		if s.Service == l.caller && s.Dependency == l.callee && s.Entry == w.Entry.Operation && s.Flow != "async" {
			note(s.Operation, s.Sum, true)
		}
	}
	if name != "" {
		return name
	}
	for _, h := range w.m.Hops {
		if h.Service == l.caller && h.Entry == w.Entry.Operation && h.Flow != "async" {
			note(h.Operation, h.Count, false)
		}
	}
	return name
}

// lost reports whether calls of a callee fail more often than before, and the callee does not
// serve these failures: its responses are lost or not waited for. failed is the part of the
// calls that fail, before and now.
func (w flow) lost(l loop, failed [2]float64) bool {
	var served, errors []float64
	for _, c := range w.m.Calls {
		if c.Service == l.callee && c.Dependency == "" {
			served, errors = evidence.Plus(served, c.Count), evidence.Plus(errors, c.Failed)
		}
	}
	grown := w.Now.Mean(errors, served) - w.Baseline.Mean(errors, served)
	return w.Baseline.Sum(served) > 0 && w.Now.Sum(served) > 0 && grown < ownPart*(failed[1]-failed[0]) &&
		failed[1]-failed[0] >= minFailing && failed[1]*l.calls.Now-failed[0]*l.calls.Baseline >= repeated*(l.calls.Now-l.calls.Baseline)
}

// failing returns the part of the calls of a service that fail for its callers.
func failing(m evidence.Metrics, service string, w evidence.Window) float64 {
	var all, failed []float64
	for _, c := range m.Calls {
		if c.Dependency == service {
			all, failed = evidence.Plus(all, c.Count), evidence.Plus(failed, c.Failed)
		}
	}
	return w.Mean(failed, all)
}

// placeIn makes a finding one of the caller. What failed stays of the kind errors.
func (l loop) placeIn(f *result.Finding) {
	f.Hop, f.Operation, f.Target, f.Operations = l.caller, l.operation, l.callee, nil
	f.EitherEnd, f.Together, f.Evidence, f.Instance = false, false, "", ""
	if f.Kind != result.KindErrors {
		f.Kind, f.Calls = result.KindCalls, &l.calls
	}
}

// number sets the cause of a finding that follows from the number of calls, for which no
// signals are needed.
func number(f *result.Finding, q Question) {
	for _, c := range visits(*f, q) {
		if c.Sure && c.loop != nil {
			f.Cause = &c.Cause
			c.loop.placeIn(f)
			return
		}
	}
}

// mostVictim is the largest added time, as a multiple of that of calls that are surely made
// more often, that may be their effect: they keep callees, stores and processors busy. It was
// set with two drills in sight.
const mostVictim = 1.5

// regroup joins the findings of calls that one operation makes more often, and puts them
// before those of the same entry that added less, or not much more.
func regroup(r *result.Result) {
	of := func(f result.Finding) bool {
		return f.Kind == result.KindCalls && f.Cause != nil && (f.Cause.Kind == result.CauseRetries || f.Cause.Kind == result.CauseNPlusOne)
	}
	var out []result.Finding
	for _, f := range r.Findings {
		i := slices.IndexFunc(out, func(have result.Finding) bool {
			return of(f) && of(have) && have.Hop == f.Hop && have.Entry == f.Entry && (have.Operation == f.Operation || have.Target == f.Target)
		})
		if i < 0 {
			out = append(out, f)
			continue
		}
		out[i] = joined(out[i], f)
		if f.Entry == "" {
			out[i].CounterfactualMS = stats.Round(max(r.NowMS-out[i].AddedMS, 0))
		}
	}
	for i, f := range out {
		if !of(f) {
			continue
		}
		to := slices.IndexFunc(out[:i], func(have result.Finding) bool {
			most := f.AddedMS
			if f.Cause.Sure && !of(have) && (have.Cause == nil || !have.Cause.Sure) {
				most *= mostVictim // nothing else tells why
			}
			return have.Entry == f.Entry && have.Kind != result.KindErrors && have.AddedMS < most
		})
		if to >= 0 {
			out = slices.Insert(slices.Delete(out, i, i+1), to, f)
		}
	}
	r.Findings = out
	r.Renumber()
}

// gather makes a rise that is spread over many findings a spike if calls that are surely made
// more often have most of it together.
func gather(r *result.Result) {
	if !r.Spread || len(r.Findings) == 0 {
		return
	}
	if f := r.Findings[0]; f.Kind == result.KindCalls && f.Cause != nil && f.Cause.Sure && f.Share >= sureDirect {
		r.Verdict, r.Why, r.Spread = result.Spike, "", false
	}
}

// joined adds the times of b to a. The words are those of the larger one.
func joined(a, b result.Finding) result.Finding {
	large, small := a, b
	if b.AddedMS > a.AddedMS {
		large, small = b, a
	}
	large.BaselineMS, large.NowMS = stats.Round(large.BaselineMS+small.BaselineMS), stats.Round(large.NowMS+small.NowMS)
	large.AddedMS, large.Share = stats.Round(large.AddedMS+small.AddedMS), stats.Round(large.Share+small.Share)
	for i := range large.Interval {
		large.Interval[i] = stats.Round(large.Interval[i] + small.Interval[i])
	}
	for _, id := range small.Exemplars {
		if !slices.Contains(large.Exemplars, id) {
			large.Exemplars = append(large.Exemplars, id)
		}
	}
	if small.Cause.Kind == result.CauseRetries {
		large.Cause = small.Cause
	}
	return large
}
