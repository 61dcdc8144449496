package watch_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/watch"
)

// TestMergedIncidentIsQuietLater closes an incident a quiet time after the alerts of the one
// that was merged into it were resolved, as of then.
func TestMergedIncidentIsQuietLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := false
		w, stop := run(t, watch.Config{Dir: t.TempDir(), Diagnose: func(context.Context, watch.Question) (result.Result, error) {
			if slow {
				time.Sleep(20 * time.Second)
			}
			return found(result.Spike, "a"), nil
		}})
		defer stop()
		send(t, w, "firing", "a")
		time.Sleep(5 * time.Minute)
		send(t, w, "resolved", "a")
		quiet := time.Now()
		at := func(seconds int) { time.Sleep(time.Until(quiet.Add(time.Duration(seconds) * time.Second))) }
		slow = true
		at(30)
		send(t, w, "firing", "b") // diagnosed until 50 s
		at(40)
		send(t, w, "resolved", "b")
		if all := history(t, w).Incidents; len(all) != 1 {
			t.Fatalf("%d incidents were posted before the second one had a diagnosis", len(all))
		}
		at(70)
		all := history(t, w).Incidents
		if len(all) != 1 || all[0].Rules() != 2 || all[0].State != watch.Open {
			t.Fatalf("30 s after the last alert: %+v, want one open incident with both alerts", all)
		}
		at(105)
		all = history(t, w).Incidents
		if len(all) != 1 || all[0].State != watch.Closed || all[0].Recovered == nil || !all[0].Recovered.Equal(quiet.Add(40*time.Second)) {
			t.Errorf("65 s after the last alert: %+v", all)
		}
	})
}
