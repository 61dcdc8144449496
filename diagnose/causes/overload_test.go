package causes_test

import (
	"strings"
	"testing"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// TestOverload tells requests that are refused or wait because too many are in flight, and
// what callers did about failures, which is no cause.
func TestOverload(t *testing.T) {
	const rate = 2 * perSecond
	for _, c := range []struct {
		why, kind, finding string
		sure               bool
		series, reason     string
		grows              float64 // per second
		says               string
	}{
		{"requests are shed", result.CauseSaturation, result.KindErrors, true, "hop_requests_shed_total", "", 10, "refuses requests"},
		{"few of those that fail are shed", result.CauseUnknown, result.KindErrors, false, "hop_requests_shed_total", "", .9, ""},
		{"a bulkhead is full", result.CauseSaturation, result.KindErrors, true, "hop_calls_refused_total", "bulkhead", 8, "no further calls"},
		{"calls wait at a bulkhead", result.CauseSaturation, result.KindSelf, true, "hop_bulkhead_wait_seconds_total", "", .09 * perSecond, "wait because"},
		{"a breaker is open", result.CauseUnknown, result.KindErrors, false, "hop_calls_refused_total", "breaker", 8, ""},
		{"calls are made again", result.CauseUnknown, result.KindErrors, false, "hop_call_retries_total", "", 8, ""},
	} {
		labels := map[string]string{"service_name": "stock"}
		if c.reason != "" {
			labels["reason"] = c.reason
		}
		stock := idleStock()
		stock.Counters = append(stock.Counters, grows(c.series, labels, 0, c.grows))
		m := evidence.Metrics{Start: began, Step: every, Steps: seconds / 2,
			Calls: []evidence.CallSeries{{Service: "stock", Count: steps(rate, rate), Failed: steps(0, 20)}}}
		added := .1
		if c.finding == result.KindErrors {
			added = 0
		}
		got := causeFrom(t, found(c.finding, "stock", "", .01, added), m, stock)
		if got == nil || got.Kind != c.kind || got.Sure != c.sure || !strings.Contains(got.Why, c.says) {
			t.Errorf("%s: %s, want %s", c.why, show(got), c.kind)
			continue
		}
		shown := false
		for _, e := range got.Evidence {
			shown = shown || strings.HasPrefix(e.Signal, c.series)
		}
		if !shown && c.grows > 1 {
			t.Errorf("%s: the evidence lacks it: %+v", c.why, got.Evidence)
		}
	}
}
