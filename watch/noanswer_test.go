package watch_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/watch"
)

// run runs a watcher until stop is called.
func run(t *testing.T, cfg watch.Config) (w *watch.Watcher, stop func()) {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	w, err := watch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.Run(ctx); close(done) }()
	return w, func() { cancel(); <-done }
}

// TestNoDiagnosis posts an alert whose every diagnosis failed as one that is not sure, and
// names nothing. What only looks have found is not posted then.
func TestNoDiagnosis(t *testing.T) {
	fails := func(context.Context, watch.Question) (result.Result, error) {
		return result.Result{}, errors.New("no answer within 6s")
	}
	finds := func(context.Context, time.Time) (result.Result, error) { return found(result.Spike, "a"), nil }
	for _, c := range []struct {
		why   string
		look  func(context.Context, time.Time) (result.Result, error)
		alert bool
		posts int
	}{
		{"an alert", nil, true, 1},
		{"looks", finds, false, 0},
		{"looks and an alert", finds, true, 1},
	} {
		hook, url := serve(t, "")
		synctest.Test(t, func(t *testing.T) {
			w, stop := run(t, watch.Config{Dir: t.TempDir(), Diagnose: fails, Look: c.look, Receivers: []watch.Receiver{receiver(t, url, watch.Secrets{})}})
			if c.alert {
				send(t, w, "firing", "a")
			}
			time.Sleep(5 * time.Minute)
			stop()
		})
		bodies, _ := hook.got()
		if len(bodies) != c.posts {
			t.Errorf("%s: %d posts, want %d: %s", c.why, len(bodies), c.posts, bodies)
		}
		for _, b := range bodies {
			m := decode(t, b)
			if m.Sure || m.Named != nil || m.Diagnosis != nil || m.Title() != "Incident" || !strings.HasPrefix(m.Headline, "not sure: the diagnosis failed: no answer within 6s") {
				t.Errorf("%s: a diagnosis that failed is posted as %q, %q, %+v", c.why, m.Title(), m.Headline, m)
			}
		}
	}
}

// TestTitleOfUnsure names no hop while the diagnosis is not sure of it.
func TestTitleOfUnsure(t *testing.T) {
	r := found(result.Unsure, "a")
	if got := (watch.Message{State: watch.Open, Diagnosis: &r}).Title(); got != "Incident" {
		t.Errorf("the title is %q", got)
	}
	r = found(result.Spike, "a")
	if got := (watch.Message{State: watch.Open, Diagnosis: &r}).Title(); got != "Incident: a Work" {
		t.Errorf("the title is %q", got)
	}
}

// TestLooksRest gives slow back ends a rest of 10 s after looks of 3 s.
func TestLooksRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		slow := func(context.Context, time.Time) (result.Result, error) {
			looks++
			time.Sleep(3 * time.Second)
			return found(result.None, ""), nil
		}
		_, stop := run(t, watch.Config{Dir: t.TempDir(), Diagnose: (&oracle{}).diagnose, Look: slow})
		time.Sleep(5 * time.Minute)
		stop()
		if looks > 5*60/13+1 || looks < 5*60/13-1 {
			t.Errorf("%d looks of 3 s in 5 min", looks)
		}
	})
}

// TestDiagnosesRest gives back ends a rest as long as a diagnosis has taken.
func TestDiagnosesRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		slow := func(context.Context, watch.Question) (result.Result, error) {
			calls++
			time.Sleep(20 * time.Second)
			return result.Result{}, errors.New("no answer within 20s")
		}
		w, stop := run(t, watch.Config{Dir: t.TempDir(), Diagnose: slow})
		send(t, w, "firing", "a")
		time.Sleep(119 * time.Second)
		stop()
		if calls > 3 {
			t.Errorf("%d diagnoses of 20 s in 2 min", calls)
		}
	})
}

// TestLooksTurnedOff ends what a look has found when a later run does not look.
func TestLooksTurnedOff(t *testing.T) {
	hook, url := serve(t, "")
	synctest.Test(t, func(t *testing.T) {
		cfg := watch.Config{Dir: t.TempDir(), Diagnose: (&oracle{sureAt: 1, hop: "a"}).diagnose, Receivers: []watch.Receiver{receiver(t, url, watch.Secrets{})},
			Look: func(context.Context, time.Time) (result.Result, error) { return found(result.Spike, "a"), nil }}
		_, stop := run(t, cfg)
		time.Sleep(10 * time.Second)
		stop()
		cfg.Look = nil
		_, stop = run(t, cfg)
		time.Sleep(5 * time.Minute)
		stop()
	})
	bodies, _ := hook.got()
	if len(bodies) != 2 || decode(t, bodies[1]).State != watch.Closed {
		t.Errorf("%d posts: %s", len(bodies), bodies)
	}
}

// TestFirstDiagnosisIsAwaited posts what a first diagnosis says that takes longer than the
// patience, not that there is none yet.
func TestFirstDiagnosisIsAwaited(t *testing.T) {
	hook, url := serve(t, "")
	synctest.Test(t, func(t *testing.T) {
		slow := func(context.Context, watch.Question) (result.Result, error) {
			time.Sleep(25 * time.Second)
			return found(result.Spike, "a"), nil
		}
		w, stop := run(t, watch.Config{Dir: t.TempDir(), Diagnose: slow, Receivers: []watch.Receiver{receiver(t, url, watch.Secrets{})}})
		send(t, w, "firing", "a")
		time.Sleep(2 * time.Minute)
		stop()
	})
	bodies, _ := hook.got()
	if len(bodies) != 1 || !decode(t, bodies[0]).Sure {
		t.Errorf("%d posts: %s", len(bodies), bodies)
	}
}

// TestRestartAfterAGap closes what the run before has left when nobody watched for longer
// than the quiet time, as of then, and makes no incident of it.
func TestRestartAfterAGap(t *testing.T) {
	for _, c := range []struct {
		gap   time.Duration
		posts int // in all
		note  bool
	}{{20 * time.Second, 2, false}, {14 * time.Hour, 2, true}} {
		hook, url := serve(t, "")
		synctest.Test(t, func(t *testing.T) {
			firing := true
			diagnoses := 0
			cfg := watch.Config{Dir: t.TempDir(), Receivers: []watch.Receiver{receiver(t, url, watch.Secrets{})},
				Diagnose: func(context.Context, watch.Question) (result.Result, error) {
					diagnoses++
					return found(result.Spike, "a"), nil
				},
				Look: func(context.Context, time.Time) (result.Result, error) {
					if firing {
						return found(result.Spike, "a"), nil
					}
					return found(result.None, ""), nil
				},
				Alerts: func(context.Context) ([]watch.Alert, error) {
					if !firing {
						return nil, nil
					}
					return []watch.Alert{{Labels: map[string]string{"alertname": "Slow", "service_name": "a"}, StartsAt: time.Now()}}, nil
				}}
			_, stop := run(t, cfg)
			time.Sleep(time.Minute)
			stop()
			left := time.Now()
			time.Sleep(c.gap)
			firing = false
			before := diagnoses
			if c.note {
				cfg.Begin = time.Now().Add(time.Minute)
			}
			_, stop = run(t, cfg)
			time.Sleep(5 * time.Minute)
			stop()
			if diagnoses != before {
				t.Errorf("after %s: %d diagnoses of what the run before has left", c.gap, diagnoses-before)
			}
			bodies, _ := hook.got()
			if len(bodies) != c.posts {
				t.Fatalf("after %s: %d posts: %s", c.gap, len(bodies), bodies)
			}
			m := decode(t, bodies[len(bodies)-1])
			if m.State != watch.Closed || (m.Note != "") != c.note {
				t.Errorf("after %s: %s", c.gap, bodies[1])
			}
			if m.Recovered == nil || c.note && m.Recovered.Sub(left).Abs() > 11*time.Second {
				t.Errorf("after %s: recovered at %v, left at %s", c.gap, m.Recovered, left)
			}
		})
	}
}

// TestNewIncidentIsDiagnosed diagnoses a new incident when the running diagnosis has ended,
// however many earlier ones are due again because they are not sure.
func TestNewIncidentIsDiagnosed(t *testing.T) {
	const takes = 20 * time.Second
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		diagnosed := map[time.Time]time.Duration{} // by the start of the alert: how long it waited
		slow := func(_ context.Context, q watch.Question) (result.Result, error) {
			mu.Lock()
			if _, again := diagnosed[q.At]; !again {
				diagnosed[q.At] = time.Since(q.At)
			}
			mu.Unlock()
			time.Sleep(takes)
			return found(result.Unsure, ""), nil
		}
		w, stop := run(t, watch.Config{Dir: t.TempDir(), Diagnose: slow, Timing: watch.Timing{Quiet: 5 * time.Second}})
		for n := range 8 {
			send(t, w, "firing", fmt.Sprint("place-", n))
			time.Sleep(2 * time.Minute)
		}
		stop()
		if len(diagnosed) != 8 {
			t.Errorf("%d incidents were diagnosed, want 8", len(diagnosed))
		}
		for at, waited := range diagnosed {
			if waited > takes+time.Second {
				t.Errorf("the incident of %s waited %s for its first diagnosis", at.Format(time.TimeOnly), waited)
			}
		}
	})
}
