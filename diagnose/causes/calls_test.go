package causes_test

import (
	"testing"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
)

// steps returns a series with one value per step before the onset, and another from it on.
func steps(before, then float64) []float64 {
	out := make([]float64, seconds/2)
	for i := range out {
		out[i] = before
		if i >= quietSeconds/2 {
			out[i] = then
		}
	}
	return out
}

// repeatedCalls returns metrics in which each request of the entry calls stock a number of
// times, of which a part fails.
func repeatedCalls(calls, failing [2]float64) evidence.Metrics {
	const rate = 2 * perSecond
	return evidence.Metrics{Start: began, Step: every, Steps: seconds / 2,
		Entries: []evidence.EntrySeries{{Entry: result.Entry{Service: "shop", Operation: "POST /buy"}, Count: steps(rate, rate), Sum: steps(rate*.03, rate*.13)}},
		Hops:    []evidence.HopSeries{{Service: "stock", Operation: "GET /stock", Entry: "POST /buy", Flow: "request", Count: steps(rate*calls[0], rate*calls[1])}},
		Calls: []evidence.CallSeries{
			{Service: "cart", Operation: "GET /stock", Dependency: "stock", Count: steps(rate*calls[0], rate*calls[1]), Failed: steps(rate*calls[0]*failing[0], rate*calls[1]*failing[1])},
			{Service: "search", Operation: "GET /stock", Dependency: "stock", Count: steps(5, 5), Failed: steps(0, 0)}}}
}

// TestVisits tells calls that are repeated, or made more often, from calls that take longer.
func TestVisits(t *testing.T) {
	none := [2]float64{0, 0}
	for _, c := range []struct {
		why, kind, finding string
		before, added      float64
		calls, failing     [2]float64
	}{
		{"a call for each item", result.CauseNPlusOne, result.KindSelf, .01, .09, [2]float64{1, 10}, none},
		{"a call for each item, on the link", result.CauseNPlusOne, result.KindLink, .01, .09, [2]float64{1, 10}, none},
		{"more calls, and each is much slower", result.CauseUnknown, result.KindSelf, .001, .3, [2]float64{1, 1.6}, none},
		{"calls that fail are repeated", result.CauseRetries, result.KindErrors, 0, 0, [2]float64{1, 2.2}, [2]float64{0, .6}},
		{"they delay the request", result.CauseRetries, result.KindSelf, .01, .02, [2]float64{1, 3}, [2]float64{0, .7}},
		{"calls fail and are not repeated", result.CauseUnknown, result.KindErrors, 0, 0, [2]float64{1, 1}, [2]float64{0, .6}},
		{"calls fail, more are made for another reason", result.CauseNPlusOne, result.KindSelf, .01, .09, [2]float64{1, 10}, [2]float64{0, .11}},
	} {
		target := ""
		if c.finding == result.KindLink {
			target = "cart"
		}
		r := found(c.finding, "stock", target, c.before, c.added)
		r.Entry = result.Entry{Service: "shop", Operation: "POST /buy"}
		if got := causeFrom(t, r, repeatedCalls(c.calls, c.failing), idleStock()); got == nil || got.Kind != c.kind {
			t.Errorf("%s: %s, want %s", c.why, show(got), c.kind)
		}
	}
}

// TestPooled reads the waits for a connection that the middleware counts as such.
func TestPooled(t *testing.T) {
	const rate = 2 * perSecond
	for _, c := range []struct {
		why, kind string
		pool      float64 // seconds per request, now
	}{
		{"most of the wait is for a connection", result.CausePool, .09},
		{"some of it", result.CauseDependency, .02},
	} {
		r := found(result.KindDependency, "stock", "stock-db", .01, .1)
		r.Entry = result.Entry{Service: "shop", Operation: "POST /buy"}
		m := repeatedCalls([2]float64{1, 1}, [2]float64{})
		m.Waits = []evidence.WaitSeries{{Service: "stock", Operation: "GET /stock", Entry: "POST /buy", Flow: "request", Dependency: "stock-db", Kind: "pool", Sum: steps(rate*.001, rate*c.pool)},
			{Service: "stock", Operation: "GET /stock", Entry: "POST /buy", Flow: "request", Dependency: "stock-db", Kind: "database", Sum: steps(rate*.009, rate*(.11-c.pool))}}
		if got := causeFrom(t, r, m, idleStock()); got == nil || got.Kind != c.kind {
			t.Errorf("%s: %s, want %s", c.why, show(got), c.kind)
		}
	}
}

// idleStock returns the target of the service stock, of whose signals none moves.
func idleStock() promtest.Target {
	return promtest.Target{Job: "shop", Instance: "a:1", Every: every, Counters: []promtest.Counter{
		level("up", map[string]string{}, 1, 1), grows("process_cpu_seconds_total", map[string]string{"service_name": "stock"}, .1, .1)}}
}
