package explain

import (
	"cmp"
	"maps"
	"slices"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
	"github.com/tenhop/tenhop/trace"
)

// Errors adds exemplars and attributes to each finding of failures. If res.Verdict is
// errors but no finding locates them, it adds the findings of Beginnings. failed and
// normal are traces of the entry that failed and that did not.
func Errors(res *result.Result, failed, normal []trace.Trace) {
	begins := map[string][]string{} // trace IDs by hop at which the failure begins
	for _, t := range failed {
		if i := trace.FirstFailing(&t); i != trace.None {
			hop := trace.Blame(&t, i).Service
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
		f.Attributes = attributes(f, failed, normal)
	}
}

// Beginnings returns a finding for each hop at which failures begin, the most frequent
// first. Its share is the fraction of failed traces, with a Wilson interval. entry holds
// the failure ratio of the entry and may be nil.
func Beginnings(failed []trace.Trace, entry *result.Failing) []result.Finding {
	found, kinds := map[trace.Culprit]int{}, map[trace.Culprit]string{}
	for _, t := range failed {
		if i := trace.FirstFailing(&t); i != trace.None {
			c := trace.Blame(&t, i)
			found[c]++
			kinds[c] = cmp.Or(kinds[c], t.Spans[i].Attributes["error.type"])
		}
	}
	total := 0
	for _, n := range found {
		total += n
	}
	out := []result.Finding{}
	for _, c := range slices.SortedFunc(maps.Keys(found), func(a, b trace.Culprit) int {
		return cmp.Or(cmp.Compare(found[b], found[a]), cmp.Compare(a.Service, b.Service),
			cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Target, b.Target))
	}) {
		f := result.Finding{Hop: c.Service, Operation: c.Operation, Kind: result.KindErrors, Target: c.Target,
			Share:  stats.Round(float64(found[c]) / float64(total)),
			Errors: &result.Failing{Type: kinds[c]}, Attributes: []result.Attribute{}, Exemplars: []string{}}
		f.Interval = stats.Wilson(found[c], total)
		if entry != nil {
			f.Errors.Baseline, f.Errors.Now = entry.Baseline, stats.Round(entry.Now*f.Share)
		}
		out = append(out, f)
	}
	return out
}
