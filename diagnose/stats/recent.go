package stats

import (
	"math"
	"slices"
)

// Levels holds the levels of a latency series, as steps.
type Levels struct {
	Now, Baseline []int
	Raised        bool  // the present level is above the baseline
	Past          []int // the last earlier spike, or nil

	// Newest holds the last steps if they are above the baseline, but by too little or
	// for too short a time to raise the level.
	Newest []int
}

// Steps that LatencyLevels looks back for a level that was raised, in any case and while
// single steps are slow, and the growth that is too small for a level but too large to
// be silent about.
const (
	lookBack     = 5
	longBack     = 30
	minRise      = .2  // of the baseline
	minRiseValue = .01 // seconds
	riseZ        = 3.0 // standard errors
)

// LatencyLevels splits a latency series into levels. sum holds the total duration in
// seconds and count the number of requests, one value per step. atLeast is the minimum
// number of raised steps of a raised level.
//
// The baseline consists of all earlier levels that are not spikes themselves. An
// earlier level is a spike if its distance from the lowest level is relevant
// according to Matters and more than a quarter of the present level's distance.
// Ordinary variation thus belongs to the baseline.
//
// A level that was raised up to five steps ago, up to thirty while single steps are slow,
// or earlier while the last steps are still above the baseline, stays raised until atLeast
// steps with MinRequests requests are nearer to the baseline than to the level. Later
// steps, at whatever height, thus do not take back what was certain.
func LatencyLevels(sum, count []float64, atLeast int) Levels {
	l := latencyLevels(sum, count, atLeast)
	most := lookBack
	if base := meanOf(sum, count, l.Baseline); anySlow(sum, count, base, longBack) {
		most = longBack
	}
	for back := 1; back <= most && !l.Raised; back++ {
		was, over := raisedBefore(sum, count, back, atLeast)
		if back > lookBack && !over && was.Raised {
			base := meanOf(sum, count, was.Baseline)
			border := (base + meanOf(sum, count, was.Now)) / 2
			if calm(sum, count, was.Now[0], base+max(leastGrowth, leastRatio*base), atLeast) || meanOf(sum, count, span(len(sum)-back, len(sum))) < border {
				continue // it was over, or what came since is not slow as a whole
			}
		}
		if over {
			if l.Past == nil {
				l.Past = was.Now
			}
			break
		}
		if was.Raised {
			l = was
		}
	}
	if l.Raised {
		return l
	}
	l.Newest = newest(sum, count, l, atLeast)
	// Near the threshold, more than the last steps have to be looked at.
	for back := lookBack + 1; back < len(l.Newest)-atLeast; back++ {
		was, over := raisedBefore(sum, count, back, atLeast)
		if over {
			break
		}
		if was.Raised {
			return was
		}
	}
	return l
}

// raisedBefore returns the levels as they were some steps ago if the last one was raised,
// with the steps since then added to it. over reports that it has surely fallen since.
func raisedBefore(sum, count []float64, back, atLeast int) (was Levels, over bool) {
	to := len(sum) - back
	if to < 2*MinSegment {
		return Levels{}, false
	}
	if was = latencyLevels(sum[:to], count[:to], atLeast); !was.Raised {
		return Levels{}, false
	}
	border := (meanOf(sum, count, was.Baseline) + meanOf(sum, count, was.Now)) / 2
	over = calm(sum, count, to, border, atLeast)
	if !over {
		was.Now = append(was.Now, span(to, len(sum))...)
	}
	return was, over
}

// calm reports whether atLeast busy steps, with MinRequests requests, one after another
// from a step on have a mean below a border.
func calm(sum, count []float64, from int, border float64, atLeast int) bool {
	for first := from; first < len(sum); first++ {
		var total, n float64
		steps := 0
		for i := first; i < len(sum); i++ {
			if count[i] == 0 {
				continue
			}
			total, n, steps = total+sum[i], n+count[i], steps+1
			if n >= MinRequests && steps >= atLeast {
				break
			}
		}
		if n >= MinRequests && steps >= atLeast && total/n < border {
			return true
		}
	}
	return false
}

// anySlow reports whether one of the last steps is slower than a mean by an amount that
// matters.
func anySlow(sum, count []float64, mean float64, last int) bool {
	for i := max(len(sum)-last, 0); i < len(sum); i++ {
		if count[i] > 0 && sum[i]/count[i] > mean && Matters(sum[i]/count[i], mean) {
			return true
		}
	}
	return false
}

// newest returns the last steps if they are above the baseline: atLeast-1 steps by a
// relevant amount, or a longer level by at least a fifth. It returns as many as possible.
func newest(sum, count []float64, l Levels, atLeast int) []int {
	for k := max(len(sum)/4, atLeast); k >= max(atLeast-1, 1); k-- {
		last := lastBusy(count, k)
		if len(last) < k {
			continue
		}
		base := slices.DeleteFunc(slices.Clone(l.Baseline), func(i int) bool { return i >= last[0] })
		m1, v1, n1 := moments(sum, count, base)
		m2, v2, n2 := meanOf(sum, count, last), 0.0, float64(k)
		if k > atLeast {
			_, v2, n2 = moments(sum, count, last)
		}
		v2 = math.Max(v2, v1)
		much := Matters(m1, m2) || k > atLeast && m2-m1 >= math.Max(minRise*m1, minRiseValue)
		if meanOf(sum, count, lastBusy(count, atLeast)) < (m1+m2)/2 {
			continue // it has fallen since
		}
		enough := level(sum, count, last[0], len(sum)).n >= MinRequests
		if enough && m2 > m1 && len(base) > 2*MinSegment && much && m2-m1 > riseZ*math.Sqrt(v1/n1+v2/n2) {
			return span(last[0], len(sum))
		}
	}
	return nil
}

// lastBusy returns the last k steps with requests, in ascending order.
func lastBusy(count []float64, k int) []int {
	var out []int
	for i := len(count) - 1; i >= 0 && len(out) < k; i-- {
		if count[i] > 0 {
			out = append(out, i)
		}
	}
	slices.Reverse(out)
	return out
}

// meanOf returns the mean duration of the requests of steps, or 0 without any.
func meanOf(sum, count []float64, steps []int) float64 {
	var total, n float64
	for _, i := range steps {
		total, n = total+sum[i], n+count[i]
	}
	if n == 0 {
		return 0
	}
	return total / n
}

// Detectable returns the mean of a series and the growth of the mean of some of its
// steps that would be three standard errors, both in seconds.
func Detectable(sum, count []float64, steps []int) (mean, least float64) {
	mean, variance, _ := moments(sum, count, span(0, len(sum)))
	return mean, riseZ * math.Sqrt(variance/math.Max(float64(len(steps)), 1))
}

// Spread returns the mean of some steps of a series and its standard error, in seconds.
func Spread(sum, count []float64, steps []int) (mean, stderr float64) {
	mean, variance, n := moments(sum, count, steps)
	return mean, math.Sqrt(variance / n)
}
