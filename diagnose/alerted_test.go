package diagnose_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// While an alert names a hop, the verdict is not none. If the hop has most of what was
// added in the time of the alert, it is a spike; if not, the contradiction is told.
func TestAlerts(t *testing.T) {
	hops := []string{"gateway", "checkout", "payment"}
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 5))
		slow := hops[rng.IntN(3)]
		// Every other step: too few in a row for a level.
		flicker := func(i int) float64 {
			if i >= 142 && i%2 == 0 {
				return .1 + .2*rng.Float64()
			}
			return 0
		}
		ev := newWorld().build(func(int) float64 { return 10 }, map[string]func(int) float64{slow: flicker})
		named := hops[rng.IntN(3)]
		ev.Alerts = []evidence.Alert{{Name: "SlowHop", Place: named, Kind: "self", Since: ev.At(146)}}
		res := diagnose.Diagnose(diagnose.Evidence{Metrics: ev}, diagnose.Options{}).Result()
		right := res.Verdict == result.Spike && res.Findings[0].Hop == slow
		if named != slow {
			right = res.Verdict == result.Unsure && strings.Contains(res.Why, named) || res.Verdict == result.Spike && res.Findings[0].Hop == slow
		}
		if !right {
			t.Errorf("seed %d: %s slow, the alert names %s: %s (%s) %+v", seed, slow, named, res.Verdict, res.Why, res.Findings)
		}
		quiet := newWorld().build(func(int) float64 { return 10 }, nil)
		quiet.Alerts = ev.Alerts
		if res := diagnose.Diagnose(diagnose.Evidence{Metrics: quiet}, diagnose.Options{}).Result(); res.Verdict != result.Unsure || !strings.Contains(res.Why, "SlowHop names "+named) {
			t.Errorf("seed %d: quiet: %s (%s)", seed, res.Verdict, res.Why)
		}
		quiet.Alerts = []evidence.Alert{{Name: "Other", Place: "a stranger", Since: time.Now()}}
		if res := diagnose.Diagnose(diagnose.Evidence{Metrics: quiet}, diagnose.Options{}).Result(); res.Verdict != result.None {
			t.Errorf("seed %d: an alert about a stranger: %s (%s)", seed, res.Verdict, res.Why)
		}
	}
}

// An alert that fires longer than requests are slow confirms nothing.
func TestAlertOutlastsTheSpike(t *testing.T) {
	const calm = 20 // steps at the end
	slow := func(i int) float64 {
		if i >= 110 && i < 150-calm {
			return .4
		}
		return 0
	}
	ev := newWorld().build(func(int) float64 { return 10 }, map[string]func(int) float64{"payment": slow})
	ev.Alerts = []evidence.Alert{{Name: "HopRestarts", Place: "payment", Since: ev.At(114)}}
	if res := diagnose.Diagnose(diagnose.Evidence{Metrics: ev}, diagnose.Options{}).Result(); res.Verdict != result.Unsure {
		t.Errorf("%s (%s) %+v", res.Verdict, res.Why, res.Findings)
	}
}

// Requests become slow at one time and fail from another on. The windows of the latency are
// those of the latency, and those of the failures are theirs.
func TestErrorsKeepTheWindowsOfLatency(t *testing.T) {
	for seed := range uint64(6) {
		onset := 85 + rand.New(rand.NewPCG(seed, 6)).IntN(30) // failures begin at step 130
		w := newWorld()
		ev := w.build(func(int) float64 { return 10 }, map[string]func(int) float64{"payment": from(onset, .5)})
		w.calls(&ev, "INTERNAL", map[string]float64{"gateway": .3, "checkout": .3, "payment": .3}, map[[2]string]float64{{"gateway", "checkout"}: .3, {"checkout", "payment"}: .3})
		res := diagnose.Diagnose(diagnose.Evidence{Metrics: ev}, diagnose.Options{}).Result()
		late := func(at time.Time, step int) float64 { return at.Sub(ev.At(step)).Abs().Seconds() }
		if res.Verdict != result.Errors || late(res.Window.From, onset) > 8 || res.Errors.Window == nil || late(res.Errors.Window.From, 130) > 8 || res.AddedMS < 400 {
			t.Errorf("seed %d: %s, latency since %s, failures since %+v, onsets %s and %s, +%.0f ms", seed, res.Verdict, res.Window.From, res.Errors.Window, ev.At(onset), ev.At(130), res.AddedMS)
		}
	}
}
