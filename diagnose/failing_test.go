package diagnose_test

import (
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/trace"
)

// failingEntry returns the metrics of a gateway of whose requests the last quarter
// of steps fails, at hops whose calls of each other explain all failures.
func failingEntry(steps int) evidence.Metrics {
	sum, count, failed := make([]float64, steps), make([]float64, steps), make([]float64, steps)
	for i := range steps {
		sum[i], count[i] = 2, 20
		if i >= steps*3/4 {
			failed[i] = 10
		}
	}
	e := result.Entry{Service: "gateway", Operation: "POST /checkout"}
	return evidence.Metrics{Start: time.Unix(1e9, 0).UTC(), Step: 2 * time.Second, Steps: steps,
		Entries: []evidence.EntrySeries{{Entry: e, Sum: sum, Count: count}},
		Calls: []evidence.CallSeries{
			{Service: e.Service, Operation: e.Operation, Count: count, Failed: failed},
			{Service: e.Service, Operation: "Charge", Dependency: "payment", Count: count, Failed: failed},
			{Service: "payment", Operation: "Charge", Count: count, Failed: failed},
			{Service: "payment", Operation: e.Operation, Dependency: e.Service, Count: count, Failed: failed},
		}}
}

func TestFindingsAreNeverNil(t *testing.T) {
	r := diagnose.Diagnose(diagnose.Evidence{Metrics: failingEntry(200)}, diagnose.Options{}).Result()
	if r.Verdict != result.Errors || r.Findings == nil || len(r.Findings) != 0 {
		t.Errorf("verdict %s with findings %#v, want errors with none", r.Verdict, r.Findings)
	}
}

// Traces may locate failures that metrics do not. The reason for the verdict must
// not say then that no hop explains them.
func TestTracesLocateFailures(t *testing.T) {
	d := diagnose.Diagnose(diagnose.Evidence{Metrics: failingEntry(200)}, diagnose.Options{})
	if r := d.Result(); r.Why == "" {
		t.Error("failures without a hop have no reason")
	}
	at := d.Result().Window.From
	d.AddTraces(diagnose.Traces{Failed: []trace.Trace{{ID: "1", Spans: []trace.Span{
		{ID: "1", Service: "gateway", Operation: "POST /checkout", Kind: trace.Server, Start: at, Duration: time.Second, Failed: true},
		{ID: "2", Parent: "1", Service: "payment", Operation: "Charge", Kind: trace.Server, Start: at, Duration: time.Millisecond, Failed: true},
	}}}})
	r := d.Result()
	if r.Verdict != result.Errors || len(r.Findings) != 1 || r.Findings[0].Hop != "payment" || r.Why != "" {
		t.Errorf("verdict %s, why %q, findings %+v; want errors at payment", r.Verdict, r.Why, r.Findings)
	}
}

// A comparison without suspects excludes neither failures, which it does not test,
// nor anything about an entry that has no requests.
func TestComparisonWithoutSuspects(t *testing.T) {
	for _, c := range []struct {
		why, entry string
		steps      int
		verdict    string
	}{
		{"failures after a short baseline", "", 32, result.Unsure},
		{"failures after a long baseline", "", 200, result.Errors},
		{"an entry that is not there", "POST /chekout", 200, result.Unsure},
		{"a step of traffic", "", 1, result.None},
	} {
		ev := diagnose.Evidence{Metrics: failingEntry(c.steps), Comparison: &compare.Comparison{Traces: [2]int{100, 100}}}
		if r := diagnose.Diagnose(ev, diagnose.Options{Entry: c.entry}).Result(); r.Verdict != c.verdict || r.Verdict == result.Unsure && r.Why == "" {
			t.Errorf("%s: %s, why %q; want %s", c.why, r.Verdict, r.Why, c.verdict)
		}
	}
}

// A located spike with a long baseline is not withdrawn because failures of the same
// entry have a short one.
func TestShortFailuresDoNotHideASpike(t *testing.T) {
	const steps = 100
	sum, self, count, failed := make([]float64, steps), make([]float64, steps), make([]float64, steps), make([]float64, steps)
	for i := range steps {
		sum[i], self[i], count[i] = 2, 1, 20
		if i >= 60 {
			sum[i], self[i] = 12, 11
		}
		if i < 45 || i >= 70 {
			failed[i] = 10 // an earlier rise leaves a short baseline
		}
	}
	e := result.Entry{Service: "gateway", Operation: "POST /checkout"}
	m := evidence.Metrics{Start: time.Unix(1e9, 0).UTC(), Step: 2 * time.Second, Steps: steps,
		Entries: []evidence.EntrySeries{{Entry: e, Sum: sum, Count: count}},
		Hops:    []evidence.HopSeries{{Service: e.Service, Operation: e.Operation, Entry: e.Operation, Flow: "request", Self: self, Duration: sum, Count: count}},
		Calls:   []evidence.CallSeries{{Service: e.Service, Operation: e.Operation, Count: count, Failed: failed}}}
	if r := diagnose.Diagnose(diagnose.Evidence{Metrics: m}, diagnose.Options{}).Result(); r.Verdict != result.Spike || r.Errors == nil {
		t.Errorf("verdict %s (%s), errors %+v; want a spike that also tells the failures", r.Verdict, r.Why, r.Errors)
	}
}

// Requests of the entry that was asked for cease since those before them fail. The answer is
// about these, and says so. While none fail, nothing is claimed.
func TestEntryWithoutRequests(t *testing.T) {
	const steps, since = 200, 180
	for _, fails := range []bool{true, false} {
		m := failingEntry(steps)
		constant := func(v float64, from float64) []float64 {
			out := make([]float64, steps)
			for i := range out {
				if out[i] = v; i >= since {
					out[i] = from
				}
			}
			return out
		}
		failed := constant(0, 0)
		if fails {
			failed = constant(0, 10)
		}
		list := result.Entry{Service: "gateway", Operation: "GET /list"}
		m.Entries[0].Sum, m.Entries[0].Count = constant(2, 0), constant(20, 0)
		m.Entries = append(m.Entries, evidence.EntrySeries{Entry: list, Sum: constant(2, 2), Count: constant(20, 20)})
		m.Calls = []evidence.CallSeries{
			{Service: "gateway", Operation: "POST /checkout", Count: constant(20, 0), Failed: constant(0, 0)},
			{Service: "gateway", Operation: "GET /list", Count: constant(20, 20), Failed: failed},
			{Service: "gateway", Operation: "List", Dependency: "list", Count: constant(20, 20), Failed: failed},
			{Service: "list", Operation: "List", Count: constant(20, 20), Failed: failed}}
		p := evidence.Process{Service: "gateway", Instance: "gateway-1"}
		for i := range steps {
			p.InFlight = append(p.InFlight, evidence.Reading{At: m.At(i + 1), Value: 1})
			p.Up = append(p.Up, evidence.Reading{At: m.At(i + 1), Value: 1})
		}
		m.Processes, m.Newest = []evidence.Process{p}, m.At(steps)
		r := diagnose.Diagnose(diagnose.Evidence{Metrics: m, Now: m.Newest}, diagnose.Options{Entry: "POST /checkout"}).Result()
		named := r.Verdict == result.Errors && len(r.Findings) > 0 && r.Findings[0].Hop == "list"
		if named != fails || len(r.Warnings) == 0 || !fails && (r.Verdict == result.Spike || r.Verdict == result.Errors) {
			t.Errorf("requests before fail %v: %s (%s) %v %+v", fails, r.Verdict, r.Why, r.Warnings, r.Findings)
		}
	}
}
