package watch_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenhop/tenhop/watch"
)

// TestExternalLabels makes one alert of what Prometheus has and what it sends to Alertmanager with
// a further label, whichever comes first. It is over when both say so.
func TestExternalLabels(t *testing.T) {
	const second = 30 * time.Second // when the other source has the alert
	for _, c := range []struct {
		why    string
		polled time.Duration // when Prometheus has it
		still  bool          // Prometheus has it when Alertmanager takes it as resolved
		state  string
	}{
		{"polled first", 0, false, watch.Closed},
		{"sent first", second, false, watch.Closed},
		{"Prometheus still has what Alertmanager takes as resolved", second, true, watch.Open},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			var over atomic.Bool
			w, stop := run(t, watch.Config{Dir: t.TempDir(), Diagnose: (&oracle{sureAt: 1, hop: "a"}).diagnose,
				Alerts: func(context.Context) ([]watch.Alert, error) {
					if time.Since(began) < c.polled || over.Load() {
						return nil, nil
					}
					return []watch.Alert{{Labels: map[string]string{"alertname": "Slow"}, StartsAt: began}}, nil
				}})
			defer stop()
			if c.polled == 0 {
				time.Sleep(second)
			}
			send(t, w, "firing", "a") // the label of the service is the sender's
			time.Sleep(2 * time.Minute)
			all := history(t, w).Incidents
			if len(all) != 1 || all[0].Rules() != 1 || all[0].Names(1) != "Slow a" {
				t.Fatalf("%s: %+v, want one incident with one alert", c.why, all)
			}
			over.Store(!c.still)
			send(t, w, "resolved", "a")
			time.Sleep(3 * time.Minute)
			all = history(t, w).Incidents
			if len(all) != 1 || all[0].State != c.state || all[0].Note != "" {
				t.Errorf("%s: %+v, want it %s", c.why, all, c.state)
			}
		})
	}
}

// TestExternalLabelsAfterAGap takes an alert of the webhook that Prometheus no longer has after a
// gap as resolved when the run before ended.
func TestExternalLabelsAfterAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var over atomic.Bool
		cfg := watch.Config{Dir: t.TempDir(), Diagnose: (&oracle{sureAt: 1, hop: "a"}).diagnose,
			Alerts: func(context.Context) ([]watch.Alert, error) {
				if over.Load() {
					return nil, nil
				}
				return []watch.Alert{{Labels: map[string]string{"alertname": "Slow"}, StartsAt: began}}, nil
			}}
		w, stop := run(t, cfg)
		send(t, w, "firing", "a")
		time.Sleep(time.Hour)
		stop()
		left := time.Now()
		time.Sleep(time.Hour)
		over.Store(true)
		w, stop = run(t, cfg)
		defer stop()
		time.Sleep(5 * time.Minute)
		all := history(t, w).Incidents
		if len(all) != 1 || all[0].State != watch.Closed || all[0].Recovered == nil || all[0].Recovered.Sub(left).Abs() > 11*time.Second {
			t.Errorf("watched until %s: %+v", left, all)
		}
	})
}
