package collect_test

import (
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
)

// A signal of the slow hop that explains its added time is the cause; one of another hop
// is not.
func TestCause(t *testing.T) {
	for _, c := range []struct {
		target int // of the shop, whose locks are waited for
		kind   string
		sure   bool
	}{{1, result.CauseLock, true}, {0, result.CauseUnknown, false}} {
		shop, now := world()
		targets := shop.Targets()
		for i := range targets {
			service := []string{"gateway", "payment"}[i]
			waits := func(at time.Time) float64 {
				v := .01 * at.Sub(shop.Began).Seconds()
				if i == c.target && at.After(shop.Onset) {
					v += 20 * .9 * shop.Slow * at.Sub(shop.Onset).Seconds()
				}
				return v
			}
			targets[i].Counters = append(targets[i].Counters,
				promtest.Counter{Name: "go_sync_mutex_wait_total_seconds_total", Labels: map[string]string{"service_name": service}, At: waits},
				promtest.Counter{Name: "process_cpu_seconds_total", Labels: map[string]string{"service_name": service}, At: func(at time.Time) float64 { return .1 * at.Sub(shop.Began).Seconds() }})
		}
		prom := promtest.Serve(t, shop.Began, now, targets...)
		res := run(t, collect.Config{Prometheus: prom.URL})
		if len(res.Findings) == 0 || res.Findings[0].Hop != "payment" {
			t.Fatalf("%s (%s): %+v", res.Verdict, res.Why, res.Findings)
		}
		if got := res.Findings[0].Cause; got == nil || got.Kind != c.kind || got.Sure != c.sure || len(res.Warnings) > 0 {
			t.Errorf("cause %+v, want %s, sure %v; warnings %v", got, c.kind, c.sure, res.Warnings)
		}
	}
}
