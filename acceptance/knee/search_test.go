package knee

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestSearch(t *testing.T) {
	for _, c := range []struct {
		name         string
		start, holds float64
		want         float64
	}{
		{"from below", 100, 170, 161.051},
		{"from above", 400, 331, 400 / 1.1 / 1.1},
		{"nothing holds", 4, 0.5, 0},
		{"no limit is met", 100, 1e9, 177.1561},
	} {
		disturbed := map[float64]bool{}
		knee, _ := search(c.start, 1.1, 190, func(rate float64) outcome {
			again := disturbed[rate]
			disturbed[rate] = true // the first run of each rate fails
			return outcome{rate: rate, held: again && rate <= c.holds}
		})
		if math.Abs(knee.rate-c.want) > 0.01 {
			t.Errorf("%s: %.2f, want %.2f", c.name, knee.rate, c.want)
		}
	}
}

func TestRises(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	series := func(perHour float64) (out []point) {
		for i := range 60 {
			at := float64(i) / 2
			out = append(out, point{at, 100 + perHour*at/60 + 3*rng.NormFloat64()})
		}
		return out
	}
	for _, c := range []struct {
		perHour float64
		want    bool
	}{{0, false}, {-50, false}, {3, false}, {60, true}} {
		if got := rises(series(c.perHour), 0.2); got != c.want {
			t.Errorf("%v per hour at a level of 100: rises is %v", c.perHour, got)
		}
	}
	if rises(nil, 0.2) || rises(make([]point, 30), 0.2) {
		t.Error("nothing rises in nothing, or in a constant")
	}
}
