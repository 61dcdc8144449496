package diagnose_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/trace"
)

// fan is a request that makes calls of one callee.
type fan struct {
	calls   int
	took    time.Duration // of one call
	workers int           // calls that are served at once
	queue   string        // where calls wait: "caller" before their span, "client" inside it, "callee" inside the callee's span
	bare    bool          // the callee has no spans
	own     time.Duration // of the caller, after the calls
	slow    func(rng *rand.Rand, call int) time.Duration
}

// record returns n traces of a request.
func (f fan) record(rng *rand.Rand, n int, at time.Time) []trace.Trace {
	var out []trace.Trace
	for i := range n {
		var spans []trace.Span
		add := func(parent, service, operation string, kind trace.Kind, from, to time.Duration) string {
			spans = append(spans, trace.Span{ID: fmt.Sprint(len(spans) + 1), Parent: parent, Service: service, Operation: operation, Kind: kind,
				Start: at.Add(from), Duration: to - from, Attributes: map[string]string{}})
			return spans[len(spans)-1].ID
		}
		root := add("", "desk", "GET /desk", trace.Server, 0, 0)
		free := make([]time.Duration, f.workers)
		end := time.Duration(0)
		for c := range f.calls {
			sent := time.Millisecond + time.Duration(c)*30*time.Microsecond
			w := slices.Index(free, slices.Min(free))
			from := max(sent, free[w])
			took := time.Duration(float64(f.took) * math.Exp(.1*rng.NormFloat64()))
			if f.slow != nil {
				took += f.slow(rng, c)
			}
			to := from + took
			free[w], end = to, max(end, to)
			begun, served := sent, from
			switch f.queue {
			case "caller":
				begun = from
			case "callee":
				served = sent
			}
			id := add(root, "desk", "call store", trace.Client, begun, to+400*time.Microsecond)
			spans[len(spans)-1].Attributes["peer.service"] = "store"
			if !f.bare {
				add(id, "store", "GET /item", trace.Server, served+200*time.Microsecond, to+200*time.Microsecond)
			}
		}
		spans[0].Duration = end + 3*time.Millisecond + f.own
		out = append(out, trace.Trace{ID: fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64()), Spans: spans})
		at = at.Add(time.Duration(1+i%2) * time.Second)
	}
	return out
}

// both diagnoses the traces of two files and those of one.
func (f fan) both(rng *rand.Rand, now fan) map[string]result.Result {
	at := time.Unix(1_700_000_000, 0)
	const n = 60
	return map[string]result.Result{
		"two files": between(f.record(rng, n, at), now.record(rng, n, at.Add(time.Hour))),
		"one file":  within(slices.Concat(f.record(rng, n, at), now.record(rng, n/2, at.Add(90*time.Second)))),
	}
}

// Calls that used to overlap and now follow each other are lost concurrency, wherever
// they wait. It is not the callee, whose calls take as long as before, that is surely
// slow.
func TestLostConcurrency(t *testing.T) {
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 12))
		calls := 5 + rng.IntN(16)
		before := fan{calls: calls, workers: calls, took: time.Duration(20+rng.IntN(80)) * time.Millisecond, bare: seed%2 == 0}
		for _, queue := range []string{"caller", "client", "callee"} {
			if queue == "callee" && before.bare {
				continue
			}
			before.queue = queue
			now := before
			now.workers = 1 + rng.IntN(max(calls/4, 1))
			for files, r := range before.both(rng, now) {
				what := fmt.Sprintf("%d calls by %d workers, waiting at the %s, bare %v, %s", calls, now.workers, queue, before.bare, files)
				if r.Verdict != result.Spike || len(r.Findings) == 0 || r.Findings[0].Kind != result.KindConcurrency ||
					r.Findings[0].Hop != "desk" || r.Findings[0].Target != "store" || r.Findings[0].Share < .8 {
					t.Errorf("%s: %s (%s)", what, r.Verdict, r.Why)
				}
				for i, f := range r.Findings {
					if r.Findings[0].Kind != result.KindConcurrency {
						t.Logf("%s: %d %s %s %s +%.0f ms %.2f %s %+v", what, i+1, f.Hop, f.Kind, f.Target, f.AddedMS, f.Share, f.Evidence, f.Cause)
					}
					if i > 0 && (f.Share > .1 || f.Evidence != "") {
						t.Errorf("%s: another finding", what)
					}
				}
			}
		}
	}
}

// Parallel calls of which all, or some, take longer have lost no concurrency.
func TestSlowParallelCalls(t *testing.T) {
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 13))
		calls := 2 + rng.IntN(16)
		before := fan{calls: calls, workers: calls, took: time.Duration(20+rng.IntN(80)) * time.Millisecond, bare: seed%2 == 0, queue: "caller"}
		for name, slow := range map[string]func(*rand.Rand, int) time.Duration{
			"all":    func(*rand.Rand, int) time.Duration { return 200 * time.Millisecond },
			"one":    func(_ *rand.Rand, c int) time.Duration { return time.Duration(c/(calls-1)) * 200 * time.Millisecond },
			"half":   func(_ *rand.Rand, c int) time.Duration { return time.Duration(c%2) * 200 * time.Millisecond },
			"random": func(rng *rand.Rand, _ int) time.Duration { return time.Duration(rng.ExpFloat64() * 2e8) },
		} {
			now := before
			now.slow = slow
			for files, r := range before.both(rng, now) {
				if slices.ContainsFunc(r.Findings, func(f result.Finding) bool { return f.Kind == result.KindConcurrency }) {
					t.Errorf("%d calls, %s slow, bare %v, %s: %s (%s), %+v", calls, name, before.bare, files, r.Verdict, r.Why, r.Findings)
				}
			}
		}
	}
}
