package sample

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/explain"
	"github.com/tenhop/tenhop/diagnose/links"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
	"github.com/tenhop/tenhop/trace"
)

// Latency splits the growth of the mean duration from base to now. The effect of a
// change in the mix of requests is taken out first. The rest is split between hops,
// dependencies, links and additional calls. Findings with a share below minShare are
// left out. The result is nil if the mean did not grow.
func (s *Sample) Latency(base, now Requests, minShare float64) []result.Finding {
	mix, weights, attribute := mixShift(base, now)
	added := now.mean(seconds) - base.mean(seconds)
	if added <= 0 {
		return nil
	}
	even := now
	if mix != nil {
		even = now.reweighted(attribute, weights)
	}
	found := s.calls(s.concurrency(s.split(base, even, minShare), base, even, minShare), base, even)
	found = s.CausesFirst(s.offPath(found, base, even)) // a queue is told by the callee, which Assign may exchange
	found = s.CausesFirst(links.Assign(found, linkGrowth(base, now)))
	if mix == nil {
		return found
	}
	// Shares refer to the whole growth, not to the rest.
	left := (even.mean(seconds) - base.mean(seconds)) / added
	var out []result.Finding
	for _, f := range found {
		f.Share = stats.Round(f.Share * left)
		f.Interval[0], f.Interval[1] = stats.Round(f.Interval[0]*left), stats.Round(f.Interval[1]*left)
		if left > 0 && (f.Share >= minShare || f.OffPath != nil) {
			out = append(out, f)
		}
	}
	at := slices.IndexFunc(out, func(f result.Finding) bool { return f.Share < mix.Share })
	if at < 0 {
		at = len(out)
	}
	return slices.Insert(out, at, *mix)
}

// maxCounterfactuals is the number of findings that get a CounterfactualP95.
const maxCounterfactuals = 3

// Foresee adds the split of the quantiles to a result and, to each of its first three
// findings, the interval of the p95 that the entry would have without it.
func (s *Sample) Foresee(res *result.Result, base, now Requests) {
	res.Quantiles = s.bands(base, now)
	if len(base.requests) < stats.MinRequests {
		return
	}
	for i := range res.Findings[:min(len(res.Findings), maxCounterfactuals)] {
		f := &res.Findings[i]
		if f.Kind != result.KindSelf && f.Kind != result.KindDependency && f.Kind != result.KindLink {
			continue
		}
		if p95 := s.counterfactual(s.suspectIn(*f), base, now, res.BaselineLogStdDev); p95[1] > 0 {
			f.CounterfactualP95 = &p95
		}
	}
}

// Of returns the entry's requests measured from traces; those without a span of the
// entry are skipped. If at least 20 of them are complete, the incomplete ones are left
// out, since spans of the newest requests may not have been stored yet.
func (s *Sample) Of(e result.Entry, traces []trace.Trace) Requests {
	var whole, all Requests
	for _, t := range traces {
		s.noteServices(t)
	}
	for i := range traces {
		own, ok := SpanOf(traces[i], e)
		if !ok || s.measure.load(&traces[i]) == trace.None {
			continue
		}
		r := s.request(own, true)
		all.add(r, 1)
		if s.measure.tree.CompleteFor(s.known) {
			whole.add(r, 1)
		}
	}
	if len(whole.requests) >= minReplays {
		return whole
	}
	return all
}

// Border returns the duration above which a request counts as slow. It lies halfway
// between the means of base and now.
func Border(base, now Requests) time.Duration {
	return time.Duration((base.mean(seconds) + now.mean(seconds)) / 2 * float64(time.Second))
}

// SpanOf returns the index of the first span of an entry in a trace. Client spans do
// not count.
func SpanOf(t trace.Trace, e result.Entry) (int, bool) {
	i := slices.IndexFunc(t.Spans, func(s trace.Span) bool {
		return s.Service == e.Service && s.Operation == e.Operation && s.Kind != trace.Client
	})
	return i, i >= 0
}

// Edges returns the entries of traces, the most frequent first.
func Edges(traces []trace.Trace) []result.Entry {
	m := newMeasurer()
	count := map[entryKey]int{}
	for i := range traces {
		if root := m.load(&traces[i]); root != trace.None {
			s := &traces[i].Spans[root]
			count[entryKey{s.Service, s.Operation}]++
		}
	}
	out := make([]result.Entry, 0, len(count))
	for _, k := range slices.SortedFunc(maps.Keys(count), func(x, y entryKey) int {
		return cmp.Or(cmp.Compare(count[y], count[x]), cmp.Compare(x.service, y.service), cmp.Compare(x.operation, y.operation))
	}) {
		out = append(out, result.Entry{Service: k.service, Operation: k.operation})
	}
	return out
}

// Failures returns a finding for each hop at which failures of the requests begin.
// entry holds the failure ratio of the entry.
func (s *Sample) Failures(now Requests, entry *result.Failing) []result.Finding {
	failed, _, _ := now.Traces(0)
	return explain.Beginnings(failed, entry)
}
