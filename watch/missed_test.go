package watch_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenhop/tenhop/watch"
)

// TestMissedResolution closes an incident whose resolution Alertmanager never sent, and
// says why.
func TestMissedResolution(t *testing.T) {
	for _, c := range []struct {
		why    string
		polled bool // the Prometheus that is polled has the alert, without the sender's labels
		repeat bool // Alertmanager repeats it every 4 h
		after  time.Duration
		closed bool
		note   string
	}{
		{"Prometheus no longer has it", true, false, 20 * time.Minute, true, "Prometheus has not had it since 00:"},
		{"Prometheus never had it, and it is young", false, false, 4 * time.Hour, false, ""},
		{"nothing was heard of it", false, false, 6 * time.Hour, true, "nothing was heard of it for 5h"},
		{"it is repeated", false, true, 7 * time.Hour, false, ""},
	} {
		hook, url := serve(t, "")
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			var over atomic.Bool
			alerts := func(context.Context) ([]watch.Alert, error) {
				if !c.polled || over.Load() {
					return nil, nil
				}
				return []watch.Alert{{Labels: map[string]string{"alertname": "Slow"}, StartsAt: began}}, nil
			}
			w, err := watch.New(watch.Config{Dir: t.TempDir(), Diagnose: (&oracle{sureAt: 1, hop: "a"}).diagnose, Alerts: alerts,
				Receivers: []watch.Receiver{receiver(t, url, watch.Secrets{})}, Logger: slog.New(slog.DiscardHandler), Timing: watch.Timing{Poll: time.Minute / 2}})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { w.Run(ctx); close(done) }()
			send(t, w, "firing", "a")
			for at := time.Duration(0); at < c.after; at += 10 * time.Minute {
				time.Sleep(10 * time.Minute)
				over.Store(true)
				if c.repeat && at%(4*time.Hour) == 0 {
					send(t, w, "firing", "a")
				}
			}
			cancel()
			<-done
		})
		bodies, _ := hook.got()
		if len(bodies) == 0 {
			t.Fatalf("%s: nothing was posted", c.why)
		}
		last := decode(t, bodies[len(bodies)-1])
		if (last.State == watch.Closed) != c.closed || !strings.Contains(last.Note, c.note) || (last.Note == "") != (c.note == "") {
			t.Errorf("%s: %s, note %q", c.why, last.State, last.Note)
		}
	}
}
