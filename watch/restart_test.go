package watch_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
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

// TestNoteOfAGap notes that nobody watched at the incidents of the run before, and stores that.
// An incident that a webhook began after the start, while Prometheus did not answer, has no
// such note.
func TestNoteOfAGap(t *testing.T) {
	for _, c := range []struct {
		why       string
		still     bool          // the alert of the run before fires
		away      time.Duration // Prometheus does not answer
		runs      time.Duration
		incidents int
	}{
		{"the alert is over", false, 30 * time.Second, 50 * time.Second, 2},
		{"the alert still fires", true, 30 * time.Second, 50 * time.Second, 2},
		{"the alert still fires, and nothing else happens", true, 0, 3 * time.Second, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			var started time.Time // of the second run
			cfg := watch.Config{Dir: t.TempDir(),
				Diagnose: func(_ context.Context, q watch.Question) (result.Result, error) {
					if time.Since(q.At) > time.Hour || started.IsZero() {
						return found(result.Spike, "a"), nil
					}
					return found(result.Spike, "b"), nil
				},
				Alerts: func(context.Context) ([]watch.Alert, error) {
					switch {
					case !started.IsZero() && time.Since(started) < c.away:
						return nil, errors.New("connection refused")
					case !started.IsZero() && !c.still:
						return nil, nil
					}
					return []watch.Alert{alertOf("a", began)}, nil
				}}
			_, stop := run(t, cfg)
			time.Sleep(time.Minute)
			stop()
			time.Sleep(14 * time.Hour)
			started = time.Now()
			w, stop := run(t, cfg)
			if c.away > 0 {
				time.Sleep(c.away / 2)
				send(t, w, "firing", "b")
			}
			time.Sleep(c.runs - c.away/2)
			shown := history(t, w).Incidents
			stop()
			stored, err := watch.Read(cfg.Dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			for where, all := range map[string][]*watch.Incident{"shown": shown, "stored": stored} {
				if len(all) != c.incidents {
					t.Errorf("%s: %d incidents are %s, want %d", c.why, len(all), where, c.incidents)
				}
				for _, i := range all {
					if noted := strings.HasPrefix(i.Note, "nobody watched from "); noted != i.Paged.Before(started) {
						t.Errorf("%s: the incident of %v, noticed at %s, is %s with the note %q", c.why, i.Places(), i.Paged, where, i.Note)
					}
				}
			}
		})
	}
}

// TestRestartOfARepeatedAlert leaves an incident open that Alertmanager has repeated for longer
// than Forget when watch starts again, and closes it when nothing more is heard of it.
func TestRestartOfARepeatedAlert(t *testing.T) {
	const repeat = 4 * time.Minute
	cfg := watch.Config{Dir: t.TempDir(), Diagnose: (&oracle{sureAt: 1, hop: "a"}).diagnose, Timing: watch.Timing{Forget: 5 * time.Minute}}
	synctest.Test(t, func(t *testing.T) {
		w, stop := run(t, cfg)
		for range 3 {
			send(t, w, "firing", "a")
			time.Sleep(repeat)
		}
		stop()
		w, stop = run(t, cfg)
		defer stop()
		time.Sleep(time.Second)
		for n, want := range []string{watch.Open, watch.Open, watch.Closed} {
			if all := history(t, w).Incidents; len(all) != 1 || all[0].State != want {
				t.Fatalf("%s after the start: %+v, want it %s", time.Duration(n)*repeat, all, want)
			}
			time.Sleep(repeat)
		}
	})
}

// TestRestartWithoutPolling ends what the run before has polled when nothing is heard of it.
func TestRestartWithoutPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		cfg := watch.Config{Dir: t.TempDir(), Diagnose: (&oracle{sureAt: 1, hop: "a"}).diagnose, Timing: watch.Timing{Forget: 5 * time.Minute},
			Alerts: func(context.Context) ([]watch.Alert, error) { return []watch.Alert{alertOf("a", began)}, nil }}
		_, stop := run(t, cfg)
		time.Sleep(time.Minute)
		stop()
		cfg.Alerts = nil
		w, stop := run(t, cfg)
		defer stop()
		for _, want := range []string{watch.Open, watch.Closed} {
			time.Sleep(4 * time.Minute)
			if all := history(t, w).Incidents; len(all) != 1 || all[0].State != want {
				t.Fatalf("%s after the first run: %+v, want it %s", time.Since(began)-time.Minute, all, want)
			}
		}
	})
}

// TestClockAhead never takes an incident as noticed before it began, although the clock of its
// alert is ahead.
func TestClockAhead(t *testing.T) {
	const ahead = 20 * time.Second
	synctest.Test(t, func(t *testing.T) {
		starts := time.Now().Add(ahead)
		reg := prometheus.NewRegistry()
		var over atomic.Bool
		w, stop := run(t, watch.Config{Dir: t.TempDir(), Diagnose: (&oracle{}).diagnose, Metrics: reg, Timing: watch.Timing{Patience: 5 * time.Second},
			Alerts: func(context.Context) ([]watch.Alert, error) {
				if over.Load() {
					return nil, nil
				}
				return []watch.Alert{alertOf("a", starts)}, nil
			}})
		defer stop()
		time.Sleep(time.Minute)
		h := history(t, w)
		if h.MTTD == nil || *h.MTTD != 0 || !h.Incidents[0].Began.Equal(starts.Add(-ahead)) {
			t.Errorf("got %+v", h)
		}
		over.Store(true)
		time.Sleep(2 * time.Minute)
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if m := f.GetMetric()[0].GetHistogram(); f.GetName() == "tenhop_watch_time_to_detect_seconds" && (m.GetSampleCount() != 1 || m.GetSampleSum() < 0) {
				t.Errorf("%s has %d observations, %v s", f.GetName(), m.GetSampleCount(), m.GetSampleSum())
			}
		}
	})
}
