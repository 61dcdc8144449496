package stats_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tenhop/tenhop/diagnose/stats"
)

// series returns 20 requests per step whose mean is that of level, with 5 % of noise.
func series(seed uint64, steps int, level func(int) float64) (sum, count []float64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range steps {
		count = append(count, 20)
		sum = append(sum, 20*level(i)*math.Exp(.05*rng.NormFloat64()))
	}
	return sum, count
}

// A level that was raised at one moment is raised at each later one until it has fallen
// for three steps, whatever its size.
func TestLevelsAreNotTakenBack(t *testing.T) {
	for seed := range uint64(16) {
		growth := 1.3 + .05*float64(seed%20)
		end := 132 // two steps after the level has fallen
		if growth < 1.35 {
			end = 130 // at the threshold of what matters
		}
		level := func(i int) float64 {
			if i >= 100 && i < 130 {
				return .1 * growth
			}
			return .1
		}
		sum, count := series(seed, 140, level)
		sure, over := -1, false
		for n := 60; n <= 140; n++ {
			l := stats.LatencyLevels(sum[:n], count[:n], 3)
			switch {
			case l.Raised && n <= 100:
				t.Errorf("seed %d: raised at step %d, before the onset", seed, n)
			case l.Raised && sure < 0:
				sure = n
			case !l.Raised && sure > 0 && n <= end:
				t.Errorf("seed %d, growth %.2f: raised since step %d and not at %d", seed, growth, sure, n)
			case !l.Raised && n > end:
				over = true
				if sure > 0 && n > 136 && growth > 1.32 && len(l.Past) == 0 {
					t.Errorf("seed %d: the spike that is over is not reported at step %d", seed, n)
				}
			}
		}
		if growth >= 1.4 && (sure < 0 || sure > 106) {
			t.Errorf("seed %d, growth %.2f: raised at step %d, want at most 106", seed, growth, sure)
		}
		if !over {
			t.Errorf("seed %d: still raised ten steps after the end", seed)
		}
	}
}

// What is too little for a level is not passed over in silence.
func TestNewest(t *testing.T) {
	sum, count := series(3, 120, func(i int) float64 {
		if i >= 90 {
			return .124
		}
		return .1
	})
	if l := stats.LatencyLevels(sum, count, 3); l.Raised || len(l.Newest) == 0 {
		t.Errorf("24 %% slower for 30 steps: %+v", l)
	}
	sum, count = series(4, 120, func(i int) float64 {
		if i >= 118 {
			return .3
		}
		return .1
	})
	if l := stats.LatencyLevels(sum, count, 3); l.Raised || len(l.Newest) == 0 {
		t.Errorf("three times as slow for two steps: %+v", l)
	}
	quiet := 0
	for seed := range uint64(200) {
		sum, count = series(seed, 120, func(int) float64 { return .1 })
		if l := stats.LatencyLevels(sum, count, 3); l.Raised || len(l.Newest) > 0 {
			quiet++
		}
	}
	if quiet > 0 {
		t.Errorf("%d of 200 quiet series are doubtful", quiet)
	}
}
