package stats_test

import (
	"math/rand/v2"
	"testing"

	"github.com/tenhop/tenhop/diagnose/stats"
)

// A spike that changes its height is the same spike: a level of two steps, higher or
// lower, does not take back what three steps have shown.
func TestAnotherHeightIsNoEnd(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 3))
		base := .02 + .1*rng.Float64()
		first := base * (2 + 20*rng.Float64())
		second := base * (2 + 60*rng.Float64())
		onset := 70 + rng.IntN(60)
		length := 3 + rng.IntN(3)
		slow := 1 + rng.IntN(6) // requests of a step of the second height: few return
		sum, count := series(seed, onset+length+8, func(i int) float64 {
			switch {
			case i < onset:
				return base
			case i < onset+length:
				return first
			}
			return second
		})
		for i := onset + length; i < len(sum); i++ {
			sum[i], count[i] = sum[i]*float64(slow)/count[i], float64(slow)
		}
		sure := false
		for n := onset + 1; n <= len(sum); n++ {
			l := stats.LatencyLevels(sum[:n], count[:n], 3)
			if sure && !l.Raised {
				t.Errorf("seed %d: %.3f, %.3f x %d, %.3f: not raised at step %d after the onset", seed, base, first, length, second, n-onset)
			}
			sure = sure || l.Raised
		}
		if !sure {
			t.Errorf("seed %d: never raised", seed)
		}
	}
}
