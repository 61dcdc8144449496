package diagnose

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Diagnose finds the entry that left its baseline and splits its added time over
// the parts that its requests waited for, from traces alone.
func (b *Book) Diagnose(opt Options) Result {
	if len(b.entries) == 0 {
		return Diagnose(Evidence{}, opt)
	}
	return diagnose(b.evidence(), opt, b)
}

// samples returns the kept requests of an entry before and now.
func (b *Book) samples(ev Evidence, s spike) (base, now sample) {
	return b.during(s.entry.Entry, s.baseline.ranges(ev)), b.during(s.entry.Entry, s.now.ranges(ev))
}

// findings splits what was added between two windows.
func (b *Book) findings(ev Evidence, s spike, opt Options) []Finding {
	base, now := b.samples(ev, s)
	return b.explain(base, now, opt)
}

// errorFindings names where the failures of an entry begin.
func (b *Book) errorFindings(ev Evidence, s spike) []Finding {
	_, now := b.samples(ev, s)
	var failed []Trace
	for _, r := range now.requests {
		if r.failed && r.trace.Spans != nil {
			failed = append(failed, r.trace)
		}
	}
	return begin(failed, &Failing{Baseline: round(s.baseMean()), Now: round(s.nowMean())})
}

// explain splits what was added between two samples: first what only another
// mix of requests adds, then what hops and calls add.
func (b *Book) explain(base, now sample, opt Options) []Finding {
	mix, weights, attribute := mixShift(base, now)
	added := now.mean(seconds) - base.mean(seconds)
	if added <= 0 {
		return nil
	}
	even := now
	if mix != nil {
		even = now.reweighted(attribute, weights)
	}
	found := b.calls(b.split(base, even, opt), base, even)
	if mix == nil {
		return found
	}
	// Shares are of the whole, not of what the mix leaves.
	left := (even.mean(seconds) - base.mean(seconds)) / added
	var out []Finding
	for _, f := range found {
		f.Share = round(f.Share * left)
		f.Interval[0], f.Interval[1] = round(f.Interval[0]*left), round(f.Interval[1]*left)
		if left > 0 && f.Share >= opt.MinShare {
			out = append(out, f)
		}
	}
	out = append(out, *mix)
	slices.SortStableFunc(out, func(x, y Finding) int {
		switch {
		case x.Share > y.Share:
			return -1
		case x.Share < y.Share:
			return 1
		}
		return 0
	})
	return out
}

// Split splits the added time of a result by two samples of its entry's traces,
// drawn without regard to how long they took: for services whose metrics know
// requests and durations, but no self time.
func Split(res *Result, before, now []Trace) {
	b := NewBook()
	base, after := b.sampleOf(res.Entry, before), b.sampleOf(res.Entry, now)
	if len(base.requests) < minRequests || len(after.requests) < minRequests {
		res.Verdict = Unsure
		res.Why = fmt.Sprintf("%d traces from before and %d from now are too few to split the added time; %d are needed", len(base.requests), len(after.requests), minRequests)
		return
	}
	errors := slices.DeleteFunc(res.Findings, func(f Finding) bool { return f.Kind != KindErrors })
	res.Findings = append(errors, b.explain(base, after, Options{MinShare: minShare})...)
	if res.Verdict == Spike && len(res.Findings) == 0 {
		res.Verdict, res.Why = Unsure, "the traces read do not show what was added"
	}
	res.rank()
	res.everywhere()
}

// Foresee adds to a result what only requests as a whole can tell, from two
// samples of its entry's traces, drawn without regard to how long they took: the
// split of the quantiles, and what the p95 would be without each suspect.
func Foresee(res *Result, before, now []Trace) {
	if res.Entry.Flow == "async" {
		return // the wait of an entry's customers is what traces are walked for
	}
	b := NewBook()
	base, after := b.sampleOf(res.Entry, before), b.sampleOf(res.Entry, now)
	b.foresee(res, base, after)
}

func (b *Book) foresee(res *Result, base, now sample) {
	res.Quantiles = b.bands(base, now)
	if len(base.requests) < minRequests {
		return
	}
	for i := range res.Findings[:min(len(res.Findings), foreseen)] {
		f := &res.Findings[i]
		if f.Kind != KindSelf && f.Kind != KindDependency && f.Kind != KindLink {
			continue
		}
		if p95 := b.counterfactual(key{f.Hop, f.Kind, f.Target}, base, now, res.wander); p95[1] > 0 {
			f.CounterfactualP95 = &p95
		}
	}
}

// foreseen is of how many findings the p95 without them is computed.
const foreseen = 3

// sampleOf measures an entry's requests from the traces that hold it. Where
// enough are complete, the others are left out: spans of the newest requests are
// still on their way to the store.
func (b *Book) sampleOf(e Entry, traces []Trace) sample {
	var whole, all sample
	for _, t := range traces {
		b.know(t)
	}
	for _, t := range traces {
		own, ok := t.Of(e)
		if !ok || b.walker.load(t) == none {
			continue
		}
		for i := range t.Spans {
			if t.Spans[i].ID == own.ID {
				r := b.request(int32(i), true)
				all.add(r, 1)
				if b.complete() {
					whole.add(r, 1)
				}
				break
			}
		}
	}
	if len(whole.requests) >= minReplays {
		return whole
	}
	return all
}

// complete tells whether no parent and no callee that has spans elsewhere is
// missing from the loaded trace.
func (b *Book) complete() bool {
	w := b.walker
	for _, o := range w.orphan {
		if w.trace.Spans[o].Parent != "" && w.nodes[o].parent != none {
			return false
		}
	}
	for i := range w.trace.Spans {
		s := &w.trace.Spans[i]
		if s.Kind == "client" && w.nodes[i].child == none && b.known[s.Peer()] {
			return false
		}
	}
	return true
}

// Edges returns the entries that traces begin with, the most frequent first.
func Edges(traces []Trace) []Entry {
	w := newWalker()
	count := map[entryKey]int{}
	for _, t := range traces {
		if root := w.load(t); root != none {
			count[entryKey{t.Spans[root].Service, t.Spans[root].Operation}]++
		}
	}
	out := make([]Entry, 0, len(count))
	for _, k := range slices.SortedFunc(maps.Keys(count), func(x, y entryKey) int {
		return cmp.Or(cmp.Compare(count[y], count[x]), cmp.Compare(x.service, y.service), cmp.Compare(x.operation, y.operation))
	}) {
		out = append(out, Entry{Service: k.service, Operation: k.operation})
	}
	return out
}

// Explain adds to a result of Diagnose what the book's traces know: exemplars,
// attributes, where failures begin, and new versions.
func (b *Book) Explain(res *Result) {
	parts := res.BaselineParts
	if parts == nil {
		parts = []Range{res.Baseline}
	}
	base, now := b.during(res.Entry, parts), b.during(res.Entry, []Range{res.Window})
	b.foresee(res, base, now)
	border := time.Duration((res.BaselineMS + res.AddedMS/2) * float64(time.Millisecond))
	var slow, normal, failed, before []Trace
	for _, r := range now.requests {
		switch {
		case r.trace.Spans == nil:
		case r.failed:
			failed = append(failed, r.trace)
		case r.took > border:
			slow = append(slow, r.trace)
		default:
			normal = append(normal, r.trace)
		}
	}
	for _, r := range base.requests {
		if r.trace.Spans != nil && r.took <= border && !r.failed {
			before = append(before, r.trace)
		}
	}
	Explain(res, slow, append(normal, before...))
	if res.Errors != nil {
		ExplainErrors(res, failed, before)
	}
	Deployed(res, slices.Concat(slow, normal, failed), before)
}

// Deployed notes the versions of services that are new since the baseline:
// now and before are traces of the entry from either time.
func Deployed(res *Result, now, before []Trace) {
	old := map[string]map[string]bool{}
	for _, t := range before {
		for _, s := range t.Spans {
			if v := s.Attributes["service.version"]; v != "" {
				if old[s.Service] == nil {
					old[s.Service] = map[string]bool{}
				}
				old[s.Service][v] = true
			}
		}
	}
	first := map[[2]string]time.Time{}
	for _, t := range now {
		for _, s := range t.Spans {
			v := s.Attributes["service.version"]
			if v == "" || old[s.Service] == nil || old[s.Service][v] {
				continue
			}
			k := [2]string{s.Service, v}
			if at, ok := first[k]; !ok || s.Start.Before(at) {
				first[k] = s.Start
			}
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(first), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		was := slices.Sorted(maps.Keys(old[k[0]]))
		res.Deploys = append(res.Deploys, Deploy{Service: k[0], Version: k[1], Before: was[len(was)-1], Seen: first[k]})
	}
}
