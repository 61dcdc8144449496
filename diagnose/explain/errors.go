package explain

import (
	"cmp"
	"maps"
	"slices"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
	"github.com/tenhop/tenhop/trace"
)

// Errors adds to a result what traces tell of its failures: the requests that show
// each finding, what they have in common and, where the metrics named no hop,
// where they begin. failed are traces of the entry that failed, normal are others.
func Errors(res *result.Result, failed, normal []trace.Trace) {
	begins := map[string][]string{} // traces by hop
	for _, t := range failed {
		if s, ok := FirstFailing(t); ok {
			hop := blame(t, s).hop
			begins[hop] = append(begins[hop], t.ID)
		}
	}
	if res.Verdict == result.Errors && !slices.ContainsFunc(res.Findings, func(f result.Finding) bool { return f.Kind == result.KindErrors }) {
		res.Findings = append(Beginnings(failed, res.Errors), res.Findings...)
		res.Renumber()
	}
	for i := range res.Findings {
		f := &res.Findings[i]
		if f.Kind != result.KindErrors {
			continue
		}
		f.Exemplars = append([]string{}, begins[f.Hop][:min(3, len(begins[f.Hop]))]...)
		f.Attributes = slices.DeleteFunc(attributes(f, failed, normal), func(a result.Attribute) bool { return Outcome(a.Key) })
	}
}

type culprit struct{ hop, operation, target string }

// FirstFailing returns the span at which a trace's failure begins: down from
// the topmost that failed, always along the child that failed first, as far as
// there is one. What failed later, such as a compensation, is a consequence.
func FirstFailing(t trace.Trace) (trace.Span, bool) {
	index := make(map[string]int, len(t.Spans))
	for i, s := range t.Spans {
		index[s.ID] = i
	}
	children := map[int][]int{}
	at := -1
	first := func(a, b int) bool {
		x, y := t.Spans[a], t.Spans[b]
		return x.Start.Add(x.Duration).Before(y.Start.Add(y.Duration))
	}
	for i, s := range t.Spans {
		if !s.Failed {
			continue
		}
		if p, ok := index[s.Parent]; ok && p != i && t.Spans[p].Failed {
			children[p] = append(children[p], i)
			continue
		}
		if at < 0 || s.Start.Before(t.Spans[at].Start) {
			at = i
		}
	}
	if at < 0 {
		return trace.Span{}, false
	}
	for {
		next := -1
		for _, c := range children[at] {
			if next < 0 || first(c, next) {
				next = c
			}
		}
		if next < 0 {
			break
		}
		at = next
	}
	return t.Spans[at], true
}

// blame says whose failure a span's is. A call that failed although its callee
// has no failed span failed at the callee, if that is a hop, or on the way.
func blame(t trace.Trace, s trace.Span) culprit {
	if !s.Kind.Calls() {
		return culprit{hop: s.Service, operation: s.Operation}
	}
	peer := s.Peer()
	if slices.ContainsFunc(t.Spans, func(o trace.Span) bool { return o.Service == peer }) {
		return culprit{hop: peer, operation: s.Operation, target: s.Service}
	}
	return culprit{hop: s.Service, operation: s.Operation, target: peer}
}

// Beginnings returns a finding for each place at which traces begin to fail, the
// most frequent first. entry is the ratio of the entry's failures; may be nil.
func Beginnings(failed []trace.Trace, entry *result.Failing) []result.Finding {
	found, kinds := map[culprit]int{}, map[culprit]string{}
	for _, t := range failed {
		if s, ok := FirstFailing(t); ok {
			c := blame(t, s)
			found[c]++
			kinds[c] = cmp.Or(kinds[c], s.Attributes["error.type"])
		}
	}
	total := 0
	for _, n := range found {
		total += n
	}
	out := []result.Finding{}
	for _, c := range slices.SortedFunc(maps.Keys(found), func(a, b culprit) int {
		return cmp.Or(cmp.Compare(found[b], found[a]), cmp.Compare(a.hop, b.hop), cmp.Compare(a.operation, b.operation), cmp.Compare(a.target, b.target))
	}) {
		f := result.Finding{Hop: c.hop, Operation: c.operation, Kind: result.KindErrors, Target: c.target, Share: stats.Round(float64(found[c]) / float64(total)),
			Errors: &result.Failing{Type: kinds[c]}, Attributes: []result.Attribute{}, Exemplars: []string{}}
		f.Interval = stats.Wilson(found[c], total)
		if entry != nil {
			f.Errors.Baseline, f.Errors.Now = entry.Baseline, stats.Round(entry.Now*f.Share)
		}
		out = append(out, f)
	}
	return out
}
