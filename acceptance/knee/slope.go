package knee

import (
	"math"
	"slices"
)

// point is a sample at a time in minutes.
type point struct{ at, value float64 }

// slope returns the median of the slopes between all pairs of points (Theil–Sen), per
// minute, and the one-sided p-value of a rise by Kendall's test: the probability of as
// much order among values without a trend.
func slope(points []point) (perMinute, p float64) {
	var slopes []float64
	s := 0.0
	for i, a := range points {
		for _, b := range points[i+1:] {
			if b.at <= a.at {
				continue
			}
			slopes = append(slopes, (b.value-a.value)/(b.at-a.at))
			switch {
			case b.value > a.value:
				s++
			case b.value < a.value:
				s--
			}
		}
	}
	if len(slopes) == 0 {
		return 0, 1
	}
	slices.Sort(slopes)
	perMinute = (slopes[(len(slopes)-1)/2] + slopes[len(slopes)/2]) / 2
	n := float64(len(points))
	z := (s - 1) / math.Sqrt(n*(n-1)*(2*n+5)/18)
	return perMinute, math.Erfc(z/math.Sqrt2) / 2
}

// rises reports whether points rise by more than share of their level per hour. A rise
// that chance explains, or one that is small, is none.
func rises(points []point, share float64) bool {
	perMinute, p := slope(points)
	var level []float64
	for _, x := range points {
		level = append(level, x.value)
	}
	return p < 0.001 && perMinute*60 > share*median(level)
}
