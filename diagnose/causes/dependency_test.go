package causes_test

import (
	"strings"
	"testing"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// TestUnanswered names dependencies that do not answer, several of them in one sentence, and
// not the process that waits for them.
func TestUnanswered(t *testing.T) {
	const rate = 2 * perSecond
	call := func(service, dependency string, now, failed float64) evidence.CallSeries {
		return evidence.CallSeries{Service: service, Dependency: dependency, Count: steps(rate, now), Failed: steps(0, failed)}
	}
	served := func(service string, failed float64) evidence.CallSeries { return call(service, "", rate, failed) }
	for _, c := range []struct {
		why, kind, finding string
		sure               bool
		says               string
		stalled            bool // the finding is of requests that do not return
		starved            bool // the process answers scrapes late
		calls              []evidence.CallSeries
	}{
		{"two dependencies fail", result.CauseDependency, result.KindErrors, true, "basket, letters stopped", false, false,
			[]evidence.CallSeries{served("stock", 20), served("mail", 20), call("stock", "basket", rate, 20), call("mail", "letters", rate, 20)}},
		{"one fails", result.CauseDependency, result.KindErrors, true, "calls of stock to basket fail", false, false,
			[]evidence.CallSeries{served("stock", 20), call("stock", "basket", rate, 20), call("stock", "other", rate, 0)}},
		{"a few calls fail", result.CauseUnknown, result.KindErrors, false, "", false, false,
			[]evidence.CallSeries{served("stock", 20), call("stock", "basket", rate, 1)}},
		{"a hop fails", result.CauseUnknown, result.KindErrors, false, "", false, false,
			[]evidence.CallSeries{served("stock", 20), served("basket", 20), call("stock", "basket", rate, 20)}},
		{"calls do not return", result.CauseDependency, result.KindSelf, false, "do not return", true, false,
			[]evidence.CallSeries{served("stock", 0), call("stock", "basket", 0, 0)}},
		{"the process stands still", result.CauseFrozen, result.KindSelf, false, "", true, true,
			[]evidence.CallSeries{served("stock", 0), call("stock", "basket", 0, 0)}},
		{"requests hang in the process", result.CauseFrozen, result.KindSelf, false, "", true, false,
			[]evidence.CallSeries{served("stock", 0), call("stock", "basket", rate*.6, 0)}},
	} {
		scrape := .006
		if c.starved {
			scrape = .9
		}
		stock := idleStock()
		stock.Counters = append(stock.Counters, level("scrape_duration_seconds", map[string]string{}, .006, scrape))
		r := found(c.finding, "stock", "", .01, 0)
		if c.stalled {
			r.Findings[0].Cause = &result.Cause{Kind: result.CauseFrozen}
		}
		m := evidence.Metrics{Start: began, Step: every, Steps: seconds / 2, Calls: c.calls}
		if got := causeFrom(t, r, m, stock); got == nil || got.Kind != c.kind || !c.starved && got.Sure != c.sure || !strings.Contains(strings.ReplaceAll(got.Why, " and ", ", "), c.says) {
			t.Errorf("%s: %s, want %s", c.why, show(got), c.kind)
		}
	}
}

// TestFailingDependencyOfRepeatedCalls names the dependency whose calls fail, and not the
// callers that repeat theirs for that reason.
func TestFailingDependencyOfRepeatedCalls(t *testing.T) {
	const rate = 2 * perSecond
	m := repeatedCalls([2]float64{1, 2.2}, [2]float64{0, 1})
	m.Calls = append(m.Calls,
		evidence.CallSeries{Service: "stock", Operation: "GET /stock", Count: steps(rate, 2.2*rate), Failed: steps(0, 2.2*rate)},
		evidence.CallSeries{Service: "stock", Operation: "SELECT", Dependency: "stock-db", Count: steps(rate, 2.2*rate), Failed: steps(0, 2.2*rate)})
	for _, target := range []string{"", "stock-db"} {
		r := found(result.KindErrors, "stock", target, 0, 0)
		r.Entry = result.Entry{Service: "shop", Operation: "POST /buy"}
		if got := causeFrom(t, r, m, idleStock()); got == nil || got.Kind != result.CauseDependency || !got.Sure {
			t.Errorf("target %q: %s, want %s", target, show(got), result.CauseDependency)
		}
	}
}

// TestFewCallsOfNamedDependencyFail says so where the finding names the dependency.
func TestFewCallsOfNamedDependencyFail(t *testing.T) {
	const rate = 2 * perSecond
	for _, c := range []struct {
		why, kind string
		failed    float64 // of the calls
		served    float64 // of the requests
	}{
		{"one in ten", result.CauseDependency, .1, .1},
		{"one in ten, and the requests fail for another reason", result.CauseUnknown, .1, .8},
		{"none", result.CauseUnknown, 0, .1},
	} {
		m := evidence.Metrics{Start: began, Step: every, Steps: seconds / 2, Calls: []evidence.CallSeries{
			{Service: "stock", Count: steps(rate, rate), Failed: steps(0, c.served*rate)},
			{Service: "stock", Dependency: "basket", Count: steps(rate, rate), Failed: steps(0, c.failed*rate)}}}
		got := causeFrom(t, found(result.KindErrors, "stock", "basket", 0, 0), m, idleStock())
		if c.kind == result.CauseUnknown && got != nil && got.Sure || c.kind != result.CauseUnknown && (got == nil || got.Kind != c.kind || !got.Sure) {
			t.Errorf("%s: %s, want %s", c.why, show(got), c.kind)
		}
	}
}

// TestOnTheWay blames neither of two ends that both answer for calls that fail between them.
func TestOnTheWay(t *testing.T) {
	f := newFleet(5)
	if got := explain(t, f, found(result.KindErrors, f.services[0], f.services[1], 0, 0)); got.Cause.Kind != result.CauseLink || got.Cause.Sure {
		t.Errorf("%s, want link", show(got.Cause))
	}
}

// TestShared says that one server is slow for all of its callers.
func TestShared(t *testing.T) {
	f := newFleet(6)
	r := found(result.KindDependency, f.services[0], "sessions", .01, .1)
	second := r.Findings[0]
	second.Hop = f.services[1]
	r.Findings = append(r.Findings, second)
	explain(t, f, r)
	for _, got := range r.Findings {
		if !strings.Contains(got.Cause.Why, "one server") || !strings.Contains(got.Cause.Why, f.services[0]) || !strings.Contains(got.Cause.Why, f.services[1]) {
			t.Errorf("%s", show(got.Cause))
		}
	}
}
