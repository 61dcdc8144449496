// Package few describes requests that are too few for a verdict. It states where they
// spent their time and what differs between them. It makes no claim that a difference
// is more than chance.
package few

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
	"github.com/tenhop/tenhop/trace"
)

// Enough is the number of requests from which a side is not described by this package.
const Enough = 10

// Bounds of Traces. They keep a side with many requests comparable to one with few.
const (
	maxTraces = 200
	maxSpans  = 200_000
)

// Traces keeps the first traces added to it, at most 200 of them. The zero value is
// empty. It is not safe for concurrent use.
type Traces struct {
	kept  []trace.Trace
	spans int
}

// Add adds a trace. Its spans must not be modified afterwards.
func (t *Traces) Add(tr trace.Trace) {
	if len(t.kept) < maxTraces && (t.spans == 0 || t.spans+len(tr.Spans) <= maxSpans) {
		t.kept = append(t.kept, tr)
		t.spans += len(tr.Spans)
	}
}

// entry identifies the operation with which a request begins.
type entry struct{ service, operation string }

// requests returns the requests by entry. An operation that is not empty selects the
// entries of that name.
func (t *Traces) requests(operation string) map[entry][]request {
	out := map[entry][]request{}
	for i := range t.kept {
		if r, ok := measure(&t.kept[i]); ok && (operation == "" || r.entry.operation == operation) {
			out[r.entry] = append(out[r.entry], r)
		}
	}
	return out
}

// Describe adds Few to a result without a verdict of spike or errors if its requests of
// now or before are fewer than Enough. It sets the verdict to unsure. compared reports
// whether before is a side of the diagnosis, even if it is empty.
func Describe(r *result.Result, before, now Traces, compared bool, operation string) {
	if r.Verdict == result.Spike || r.Verdict == result.Errors {
		return
	}
	was, is := before.requests(operation), now.requests(operation)
	k, ok := choose(was, is)
	if !ok {
		return
	}
	n := is[k]
	b := was[k]
	if len(n) >= Enough && (!compared || len(b) == 0 || len(b) >= Enough) {
		return
	}
	f := result.Few{Gaps: []result.Gap{}, OtherEntries: count(is) - len(n)}
	slices.SortStableFunc(n, func(x, y request) int { return cmp.Compare(x.took, y.took) })
	r.Verdict, r.Why = result.Unsure, why(len(b), len(n), compared)
	r.Quantiles, r.P95 = nil, result.P95{} // of so few requests they mean nothing
	r.Requests = result.Requests{Baseline: len(b), Now: len(n)}
	r.Entry = result.Entry{Service: k.service, Operation: k.operation}
	r.NowMS, r.BaselineMS, r.AddedMS = meanMS(n), 0, 0
	switch {
	case len(b) > 0:
		f.Compared = result.ComparedBefore
		r.BaselineMS = meanMS(b)
		r.AddedMS = stats.Round(r.NowMS - r.BaselineMS)
	case len(n) > 1 && stats.Matters(meanMS(n[:len(n)/2])/1000, meanMS(n[len(n)/2:])/1000):
		f.Compared = result.ComparedFaster
		b, n = n[:len(n)/2], n[len(n)/2:]
	}
	f.Requests = result.Requests{Baseline: len(b), Now: len(n)}
	slowest := n[len(n)-1]
	f.TraceID = slowest.tree.Trace().ID
	f.Parts, f.Gaps = parts(b, n), gaps(slowest)
	r.Few = &f
}

// choose returns the entry on whose requests the most time was spent now. Entries with
// requests before come first.
func choose(before, now map[entry][]request) (best entry, ok bool) {
	type rank struct {
		common int
		took   time.Duration
	}
	var most rank
	for k, requests := range now {
		var r rank
		for _, q := range requests {
			r.took += q.took
		}
		if len(before[k]) > 0 {
			r.common = 1
		}
		order := cmp.Or(cmp.Compare(r.common, most.common), cmp.Compare(r.took, most.took),
			cmp.Compare(best.service, k.service), cmp.Compare(best.operation, k.operation))
		if !ok || order > 0 {
			best, most, ok = k, r, true
		}
	}
	return best, ok
}

func count(by map[entry][]request) (n int) {
	for _, requests := range by {
		n += len(requests)
	}
	return n
}

func meanMS(requests []request) float64 {
	var sum time.Duration
	for _, r := range requests {
		sum += r.took
	}
	return stats.Round(milliseconds(sum) / float64(len(requests)))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// why returns the reason why there is no verdict.
func why(before, now int, compared bool) string {
	switch {
	case before > 0:
		return fmt.Sprintf("%s before and %s now are too few to tell a difference from chance", traces(before), traces(now))
	case compared:
		return "no request before begins like those now, so there is nothing to compare with"
	case now == 1:
		return "one trace shows where its time went, not whether that is usual"
	}
	return fmt.Sprintf("%s are too few to tell what is usual", traces(now))
}

func traces(n int) string {
	if n == 1 {
		return "1 trace"
	}
	return fmt.Sprintf("%d traces", n)
}
