package counters_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/counters"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
)

// Prometheus misses the scrapes from shortly before the onset to some time after it. The
// baseline is that of before the gap, and the answer that of after it.
func TestGapIsNotSpread(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 8))
		onset := began.Add(200 * time.Second)
		from := onset.Add(-time.Duration(10+rng.IntN(30)) * time.Second)
		to := onset.Add(time.Duration(10+rng.IntN(20)) * time.Second)
		now := to.Add(24 * time.Second)
		targets := promtest.Shop{Began: began, Onset: onset, Slow: .2 + rng.Float64()}.Targets()
		for i := range targets {
			for j, c := range targets[i].Counters {
				at := c.At
				targets[i].Counters[j].At = func(when time.Time) float64 {
					if when.After(from) && when.Before(to) {
						return math.NaN()
					}
					return at(when)
				}
			}
		}
		srv := promtest.Serve(t, began, now, targets...)
		ev, _, err := counters.Read(t.Context(), clientOf(t, srv), began, now, counters.Options{})
		if err != nil {
			t.Fatal(err)
		}
		res := diagnose.Diagnose(diagnose.Evidence{Metrics: ev, Now: now}, diagnose.Options{}).Result()
		if res.Verdict != "spike" || res.Findings[0].Hop != "payment" || math.Abs(res.BaselineMS-26) > 4 || !res.Window.From.After(to.Add(-5*time.Second)) {
			t.Errorf("seed %d: %s (%s), %.0f -> %.0f ms since %s; want 26 ms before, and a window from %s on", seed, res.Verdict, res.Why, res.BaselineMS, res.NowMS, res.Window.From, to)
		}
	}
}
