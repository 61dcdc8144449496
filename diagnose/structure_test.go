package diagnose_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/trace"
)

// metrics returns the metrics of requests before step 130, and of others from it on.
func (f fan) metrics(w *world, now fan) evidence.Metrics {
	const rate = 10
	per := func(value func(fan) float64) []float64 {
		return w.series(func(i int) float64 {
			x := f
			if i >= 130 {
				x = now
			}
			return rate * value(x) * (.95 + .1*w.rng.Float64())
		})
	}
	calls := func(x fan) float64 { return float64(x.calls) }
	served := func(x fan) float64 { return calls(x) * x.took.Seconds() }
	waited := func(x fan) float64 { return x.took.Seconds() * float64((x.calls+x.workers-1)/x.workers) }
	self := func(x fan) float64 { return .004 + x.own.Seconds() }
	count, wait := w.series(func(int) float64 { return rate }), per(waited)
	all := evidence.Plus(wait, per(self))
	const entry = "GET /desk"
	ev := w.ev
	ev.Entries = []evidence.EntrySeries{{Entry: result.Entry{Service: "desk", Operation: entry}, Sum: all, Count: count}}
	ev.Hops = []evidence.HopSeries{
		{Service: "desk", Operation: entry, Entry: entry, Flow: "request", Self: per(self), Duration: all, Count: count},
		{Service: "store", Operation: "GET /item", Entry: entry, Flow: "request", Self: per(served), Duration: per(served), Count: per(calls)}}
	ev.Waits = []evidence.WaitSeries{{Service: "desk", Operation: entry, Entry: entry, Flow: "request", Dependency: "store", Kind: "http", Sum: wait}}
	ev.Calls = []evidence.CallSeries{{Service: "desk", Operation: entry, Count: count, Failed: w.series(func(int) float64 { return 0 })},
		{Service: "desk", Operation: "GET /item", Dependency: "store", Count: per(calls), Failed: w.series(func(int) float64 { return 0 })}}
	return ev
}

// Metrics split the added time. Traces beside them tell that it is no hop: calls follow
// each other, or there are more of them.
func TestStructureBesideMetrics(t *testing.T) {
	for _, c := range []struct {
		name        string
		before, now fan
		kind, cause string
	}{
		{"calls follow each other", fan{calls: 6, workers: 6, took: 50 * time.Millisecond, queue: "caller"}, fan{calls: 6, workers: 1, took: 50 * time.Millisecond, queue: "caller"}, result.KindConcurrency, result.CauseLostConcurrency},
		{"calls wait in the callee", fan{calls: 6, workers: 6, took: 50 * time.Millisecond, queue: "callee"}, fan{calls: 6, workers: 1, took: 50 * time.Millisecond, queue: "callee"}, result.KindConcurrency, result.CauseLostConcurrency},
		{"a call for each item", fan{calls: 1, workers: 1, took: 20 * time.Millisecond, queue: "caller"}, fan{calls: 9, workers: 1, took: 20 * time.Millisecond, queue: "caller"}, result.KindCalls, result.CauseNPlusOne},
		{"calls take longer", fan{calls: 2, workers: 1, took: 20 * time.Millisecond, queue: "caller"}, fan{calls: 2, workers: 1, took: 120 * time.Millisecond, queue: "caller"}, result.KindSelf, ""},
	} {
		rng, w := rand.New(rand.NewPCG(3, 3)), newWorld()
		ev := c.before.metrics(w, c.now)
		d := diagnose.Diagnose(diagnose.Evidence{Metrics: ev}, diagnose.Options{})
		before, now := c.before.record(rng, 40, ev.Start), c.now.record(rng, 40, ev.At(130))
		d.AddTraces(diagnose.Traces{Slow: now[:20:20], Before: before, Now: now, Normal: []trace.Trace{}})
		r := d.Result()
		if r.Verdict != result.Spike || len(r.Findings) == 0 {
			t.Errorf("%s: %s (%s)", c.name, r.Verdict, r.Why)
			continue
		}
		f, cause := r.Findings[0], ""
		if f.Cause != nil {
			cause = f.Cause.Kind
		}
		if f.Kind != c.kind || cause != c.cause || f.Share < .7 || f.AddedMS > 1.1*r.AddedMS {
			t.Errorf("%s: %+v", c.name, r.Findings)
		}
	}
}

// Calls that surely follow each other are named beside another fault that adds more.
func TestStructureBesideAnotherFault(t *testing.T) {
	before := fan{calls: 6, workers: 6, took: 50 * time.Millisecond, queue: "caller"}
	now := fan{calls: 6, workers: 1, took: 50 * time.Millisecond, queue: "caller", own: 600 * time.Millisecond}
	rng, w := rand.New(rand.NewPCG(3, 3)), newWorld()
	ev := before.metrics(w, now)
	d := diagnose.Diagnose(diagnose.Evidence{Metrics: ev}, diagnose.Options{})
	traces, slow := before.record(rng, 40, ev.Start), now.record(rng, 40, ev.At(130))
	d.AddTraces(diagnose.Traces{Slow: slow[:20:20], Before: traces, Now: slow, Normal: []trace.Trace{}})
	r := d.Result()
	if r.Verdict != result.Spike || len(r.Findings) < 2 || r.Findings[0].Kind != result.KindSelf || r.Findings[0].Hop != "desk" {
		t.Fatalf("%s (%s): %+v", r.Verdict, r.Why, r.Findings)
	}
	found := false
	for _, f := range r.Findings[1:] {
		found = found || f.Kind == result.KindConcurrency && f.Hop == "desk" && f.Target == "store" && f.Share > .2 && f.Share < .5
	}
	if !found {
		t.Errorf("%+v", r.Findings)
	}
}
