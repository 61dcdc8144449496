package alerts_test

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/internal/uptest"
)

const (
	spike      = 500 * time.Millisecond
	window     = 15 * time.Second // of the contribution's rate
	medianGoal = 15 * time.Second
	baseline   = 100 * time.Second // a fresh start has none for 75 s
)

// TestOnsetToNamedAlert injects a 500 ms spike into ten different hops, one after
// another, and takes the time until an alert names the hop. It needs ten minutes;
// the short form takes three of the hops:
//
//	TENHOP_ACCEPTANCE=full go test -run TestOnsetToNamedAlert -v -timeout 30m ./alerts
func TestOnsetToNamedAlert(t *testing.T) {
	if os.Getenv("TENHOP_ACCEPTANCE") == "" {
		t.Skip("takes some minutes; set TENHOP_ACCEPTANCE=short or full")
	}
	s := uptest.Start(t)
	ctx := t.Context()
	if os.Getenv(uptest.Running) == "" {
		uptest.Sleep(ctx, baseline)
	}
	var took []time.Duration
	hops := []string{"payment", "loyalty", "inventory", "fraud", "gateway", "pricing", "order", "catalog", "checkout", "cart"}
	if os.Getenv("TENHOP_ACCEPTANCE") != "full" {
		hops = hops[:3]
	}
	for _, hop := range hops {
		took = append(took, onset(ctx, t, s, hop))
	}
	slices.Sort(took)
	median := (took[(len(took)-1)/2] + took[len(took)/2]) / 2
	t.Logf("onset to named alert: median %.1f s, fastest %.1f s, slowest %.1f s of %d onsets",
		median.Seconds(), took[0].Seconds(), took[len(took)-1].Seconds(), len(took))
	if median > medianGoal {
		t.Errorf("median %v, want at most %v", median, medianGoal)
	}
}

func onset(ctx context.Context, t *testing.T, s *uptest.Storefront, hop string) time.Duration {
	t.Helper()
	if named := wait(ctx, t, s, func(a []uptest.Alert) bool { return len(a) == 0 }); len(named) > 0 {
		t.Fatalf("%s: an alert still fires before the onset: %v", hop, named[0].Annotations["summary"])
	}
	uptest.Sleep(ctx, 10*time.Second)
	start := time.Now()
	if _, err := s.Inject(ctx, hop, map[string]any{"kind": "latency", "latency": spike.String(), "percent": 100}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Clear(ctx, hop); err != nil {
			t.Error(err)
		}
	}()
	alerts := wait(ctx, t, s, func(a []uptest.Alert) bool { return len(a) > 0 })
	took := time.Since(start)
	if len(alerts) == 0 {
		t.Fatalf("%s: no alert names a hop within a minute", hop)
	}
	for _, a := range alerts {
		if named(a) != hop {
			t.Errorf("%s is slow, the alert says %q", hop, a.Annotations["summary"])
		}
	}
	uptest.Sleep(ctx, window)
	later := wait(ctx, t, s, func(a []uptest.Alert) bool { return len(a) > 0 })
	if len(later) == 0 {
		t.Errorf("%s: the alert is gone one window later, the fault is not", hop)
	}
	for _, a := range later {
		t.Logf("%-9s named after %4.1f s; one window later: %s", hop, took.Seconds(), a.Annotations["summary"])
		added, err := strconv.ParseFloat(a.Value, 64)
		if err != nil {
			t.Error(err)
		}
		// The value is of one operation and entry, and no request makes one of these twice.
		if off := added/spike.Seconds() - 1; off < -0.2 || off > 0.2 {
			t.Errorf("%s: added %.3f s is not within 20 %% of %v: %s", hop, added, spike, a.Annotations["summary"])
		}
	}
	return took
}

// named returns the hop or dependency that an alert names.
func named(a uptest.Alert) string {
	if a.Labels["kind"] == "self" {
		return a.Labels["service_name"]
	}
	return a.Labels["dependency"]
}

// wait polls the alerts that name a hop until done, for at most a minute.
func wait(ctx context.Context, t *testing.T, s *uptest.Storefront, done func([]uptest.Alert) bool) []uptest.Alert {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; uptest.Sleep(ctx, 200*time.Millisecond) {
		all, err := s.Firing(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var hops []uptest.Alert
		for _, a := range all {
			if strings.HasPrefix(a.Labels["alertname"], "Slow") {
				hops = append(hops, a)
			}
		}
		if done(hops) || time.Now().After(deadline) {
			return hops
		}
	}
}
