package watch_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/watch"
)

// alertOf is a polled alert of a place.
func alertOf(place string, at time.Time) watch.Alert {
	return watch.Alert{Labels: map[string]string{"alertname": "Slow", "service_name": place}, StartsAt: at}
}

// TestRecoveredAfterItBegan never takes an incident as recovered before it began, nor an
// alert as resolved before it started, although the run before was killed seconds after it
// noted for the last time that it was alive.
func TestRecoveredAfterItBegan(t *testing.T) {
	const noted, killed = 10 * time.Second, 18 * time.Second
	for _, c := range []struct {
		why           string
		starts, began time.Duration // of the alert, and of the evidence or 0
		recovered     time.Duration
	}{
		{"the alert started after the last note", 13 * time.Second, 0, 13 * time.Second},
		{"the evidence began after the last note", -time.Minute, 12 * time.Second, 12 * time.Second},
		{"both were before it", -time.Minute, 8 * time.Second, noted},
	} {
		synctest.Test(t, func(t *testing.T) {
			started := time.Now()
			over := false
			cfg := watch.Config{Dir: t.TempDir(),
				Diagnose: func(context.Context, watch.Question) (result.Result, error) {
					r := found(result.Spike, "a")
					if r.Window.From = started.Add(c.began); c.began == 0 {
						r.Window.From = time.Time{}
					}
					return r, nil
				},
				Alerts: func(context.Context) ([]watch.Alert, error) {
					if over || time.Since(started) < 13*time.Second {
						return nil, nil
					}
					return []watch.Alert{alertOf("a", started.Add(c.starts))}, nil
				}}
			_, stop := run(t, cfg)
			time.Sleep(killed)
			stop()
			if err := os.Chtimes(filepath.Join(cfg.Dir, "lock"), started.Add(noted), started.Add(noted)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			over = true
			reg := prometheus.NewRegistry()
			cfg.Metrics = reg
			w, stop := run(t, cfg)
			time.Sleep(time.Minute)
			all := history(t, w).Incidents
			stop()
			if len(all) != 1 || all[0].State != watch.Closed {
				t.Fatalf("%s: %+v", c.why, all)
			}
			i := all[0]
			if i.Recovered == nil || !i.Recovered.Equal(started.Add(c.recovered)) || i.Recovered.Before(i.Began) {
				t.Errorf("%s: began %s, recovered %v, want %s", c.why, i.Began, i.Recovered, started.Add(c.recovered))
			}
			for _, a := range i.Alerts {
				if a.EndsAt.Before(a.StartsAt) {
					t.Errorf("%s: an alert is from %s to %s", c.why, a.StartsAt, a.EndsAt)
				}
			}
			families, err := reg.Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range families {
				if h := f.GetMetric()[0].GetHistogram(); f.GetName() == "tenhop_watch_time_to_recover_seconds" && (h.GetSampleCount() != 1 || h.GetSampleSum() < 0) {
					t.Errorf("%s: %s has %d observations, %v s", c.why, f.GetName(), h.GetSampleCount(), h.GetSampleSum())
				}
			}
		})
	}
}
