package diagnose_test

import (
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/explain"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/trace"
)

// calls adds the requests and calls of the hops to a checkout. From step 130 on, the given
// ratios fail.
func (w *world) calls(ev *evidence.Metrics, kind string, serve map[string]float64, call map[[2]string]float64) {
	const rate = 10
	add := func(service, operation, dependency string, ratio float64) {
		c := evidence.CallSeries{Service: service, Operation: operation, Dependency: dependency, Types: map[string][]float64{}}
		c.Count = w.series(func(int) float64 { return rate })
		c.Failed = w.series(func(i int) float64 {
			p := .001
			if i >= 130 {
				p += ratio
			}
			n := 0.0
			for range rate {
				if w.rng.Float64() < p {
					n++
				}
			}
			return n
		})
		c.Types[kind] = c.Failed
		ev.Calls = append(ev.Calls, c)
	}
	op := map[string]string{"gateway": "POST /checkout", "checkout": "Checkout/PlaceOrder", "payment": "Payment/Charge"}
	for _, s := range []string{"gateway", "checkout", "payment"} {
		add(s, op[s], "", serve[s])
	}
	for _, k := range [][2]string{{"gateway", "checkout"}, {"checkout", "payment"}, {"payment", "payment-db"}} {
		add(k[0], op[k[1]], k[1], call[k])
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name, why    string
		kind         string
		serve        map[string]float64
		call         map[[2]string]float64
		slow         map[string]func(int) float64
		verdict      string
		hop, target  string
		findingsKind string
		short        bool // the evidence begins shortly before
	}{
		{name: "quiet", why: "one in a thousand always fails", kind: "INTERNAL", verdict: result.None},
		{name: "deep", why: "hops that pass the failure on are not named", kind: "INTERNAL",
			serve:   map[string]float64{"gateway": .2, "checkout": .2, "payment": .2},
			call:    map[[2]string]float64{{"gateway", "checkout"}: .2, {"checkout", "payment"}: .2},
			verdict: result.Errors, hop: "payment", findingsKind: result.KindErrors},
		{name: "middle", why: "its calls do not fail", kind: "INTERNAL", serve: map[string]float64{"gateway": .2, "checkout": .2},
			call:    map[[2]string]float64{{"gateway", "checkout"}: .2},
			verdict: result.Errors, hop: "checkout", findingsKind: result.KindErrors},
		{name: "store", why: "a store is not a hop: its caller is named, with the store as target", kind: "INTERNAL",
			serve:   map[string]float64{"gateway": .2, "checkout": .2, "payment": .2},
			call:    map[[2]string]float64{{"gateway", "checkout"}: .2, {"checkout", "payment"}: .2, {"payment", "payment-db"}: .2},
			verdict: result.Errors, hop: "payment", target: "payment-db", findingsKind: result.KindErrors},
		{name: "callee gone", why: "a callee that does not answer reports nothing", kind: "UNAVAILABLE", serve: map[string]float64{"gateway": .5, "checkout": .5},
			call:    map[[2]string]float64{{"gateway", "checkout"}: .5, {"checkout", "payment"}: .5},
			verdict: result.Errors, hop: "payment", target: "checkout", findingsKind: result.KindErrors},
		{name: "caught", why: "a failure that does not reach the entry is not reported", kind: "INTERNAL", serve: map[string]float64{"payment": .5},
			call: map[[2]string]float64{{"checkout", "payment"}: .5}, verdict: result.None},
		{name: "timeouts of a slow hop", why: "requests fail because they are slow: the slow hop is the cause", kind: "DEADLINE_EXCEEDED",
			serve:   map[string]float64{"gateway": .2, "checkout": .2},
			call:    map[[2]string]float64{{"gateway", "checkout"}: .2, {"checkout", "payment"}: .2},
			slow:    map[string]func(int) float64{"payment": from(130, .9)},
			verdict: result.Spike, hop: "payment", findingsKind: result.KindSelf},
		{name: "timeouts of a hop that became slow early", why: "under a minute of baseline the slow hop is still the cause", kind: "DEADLINE_EXCEEDED",
			serve: map[string]float64{"gateway": .2, "checkout": .2},
			call:  map[[2]string]float64{{"gateway", "checkout"}: .2, {"checkout", "payment"}: .2},
			slow:  map[string]func(int) float64{"payment": from(130, .9)}, short: true,
			verdict: result.Unsure, hop: "payment", findingsKind: result.KindSelf},
		{name: "slow and broken", why: "failures come first", kind: "INTERNAL",
			serve:   map[string]float64{"gateway": .2, "checkout": .2, "payment": .2},
			call:    map[[2]string]float64{{"gateway", "checkout"}: .2, {"checkout", "payment"}: .2},
			slow:    map[string]func(int) float64{"checkout": from(130, .9)},
			verdict: result.Errors, hop: "payment", findingsKind: result.KindErrors},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			ev := w.build(func(int) float64 { return 10 }, c.slow)
			w.calls(&ev, c.kind, c.serve, c.call)
			if c.short {
				for i := range ev.Entries {
					for j := range 110 {
						ev.Entries[i].Count[j], ev.Entries[i].Sum[j] = 0, 0
					}
				}
			}
			res := diagnose.Diagnose(diagnose.Evidence{Metrics: ev}, diagnose.Options{}).Result()
			if res.Verdict != c.verdict {
				t.Fatalf("%s: %s (%s) %+v", c.why, res.Verdict, res.Why, res.Findings)
			}
			if c.hop == "" {
				return
			}
			f := res.Findings[0]
			if f.Hop != c.hop || f.Target != c.target || f.Kind != c.findingsKind || f.Share < .7 {
				t.Errorf("%s: first is %+v", c.why, f)
			}
			if c.verdict == result.Errors && (f.Errors.Type != c.kind || res.Errors.Now < .1 || res.Errors.Baseline > .01 || f.Interval[0] < .5) {
				t.Errorf("the failures are not described: %+v %+v", res.Errors, f)
			}
			for i, f := range res.Findings {
				if f.Rank != i+1 {
					t.Errorf("rank %d at place %d", f.Rank, i+1)
				}
			}
			if c.slow != nil && len(res.Findings) < 2 {
				t.Errorf("the other fault is not named: %+v", res.Findings)
			}
		})
	}
}

// Without metrics of the hops, failed traces locate the failures.
func TestErrorsFromTraces(t *testing.T) {
	var failed []trace.Trace
	for i := range 10 {
		t0 := time.Unix(int64(i), 0)
		failed = append(failed, trace.Trace{ID: string(rune('a' + i)), Spans: []trace.Span{
			{ID: "1", Service: "gateway", Operation: "POST /pay", Kind: "server", Start: t0, Duration: time.Second, Failed: true},
			{ID: "2", Parent: "1", Service: "gateway", Operation: "Charge", Kind: "client", Start: t0, Duration: time.Second, Failed: true,
				Attributes: map[string]string{"peer.service": "bank", "error.type": "UNAVAILABLE"}}}})
	}
	res := result.Result{Verdict: result.Errors, Errors: &result.Failing{Now: .4}}
	explain.Errors(&res, failed, nil)
	if len(res.Findings) != 1 || res.Findings[0].Hop != "gateway" || res.Findings[0].Target != "bank" || res.Findings[0].Errors.Type != "UNAVAILABLE" ||
		len(res.Findings[0].Exemplars) != 3 || res.Findings[0].Share != 1 || res.Findings[0].Interval[0] < .7 {
		t.Errorf("findings %+v", res.Findings)
	}
}
