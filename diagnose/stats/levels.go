// Package stats implements the statistics used by the diagnosis: change points in
// series of latencies and failures, two-sample tests, and confidence intervals.
package stats

import (
	"math"
	"slices"
)

// segment is a range of steps, [from, to), at one level of latency.
type segment struct {
	from, to int
	mean     float64 // seconds
	n        float64 // requests
}

// Minimum size of a level.
const (
	MinSegment  = 2 // steps
	MinRequests = 8 // requests
)

// segmentize splits a latency series into levels by optimal partitioning (Jackson
// et al. 2005). The partition minimises the squared distance of each step's log mean
// from its level, plus a penalty per level. Logarithms are used because the spread
// of latencies is proportional to their mean. The variance of the noise is estimated
// from differences of neighbouring steps (Rice 1984, with the median for
// robustness), so a change of level does not increase it. Unlike greedy splitting,
// this finds a short quiet period between two spikes. Adjacent levels that do not
// differ according to Matters are merged.
func segmentize(sum, count []float64) []segment {
	var at []int // steps with requests
	var x, w []float64
	for i := range sum {
		if count[i] > 0 {
			at = append(at, i)
			x = append(x, math.Log(sum[i]/count[i]+.005))
			w = append(w, count[i])
		}
	}
	n := len(at)
	if n == 0 {
		return []segment{level(sum, count, 0, len(sum))}
	}
	cuts := partition(x, w, 4*math.Log(float64(max(n, 3))))
	out := make([]segment, 0, len(cuts))
	for i, c := range cuts {
		from, to := at[c], len(sum)
		if i == 0 {
			from = 0
		}
		if i+1 < len(cuts) {
			to = at[cuts[i+1]]
		}
		s := level(sum, count, from, to)
		if k := len(out); k > 0 && (!Matters(out[k-1].mean, s.mean) || s.n < MinRequests || out[k-1].n < MinRequests) {
			out[k-1] = level(sum, count, out[k-1].from, to)
			continue
		}
		out = append(out, s)
	}
	return out
}

// level returns the segment of the steps [from, to).
func level(sum, count []float64, from, to int) segment {
	s := segment{from: from, to: to}
	var total float64
	for i := from; i < to; i++ {
		total += sum[i]
		s.n += count[i]
	}
	if s.n > 0 {
		s.mean = total / s.n
	}
	return s
}

// partition returns the first index of each level of x, whose values have weights w.
func partition(x, w []float64, penalty float64) []int {
	n := len(x)
	sigma2 := noise(x)
	meanW := 0.0
	for _, v := range w {
		meanW += v / float64(n)
	}
	// With prefix sums, the cost of a level takes constant time.
	sw, swx, swxx := make([]float64, n+1), make([]float64, n+1), make([]float64, n+1)
	for i := range x {
		v := w[i] / meanW
		sw[i+1], swx[i+1], swxx[i+1] = sw[i]+v, swx[i]+v*x[i], swxx[i]+v*x[i]*x[i]
	}
	cost := func(from, to int) float64 {
		m := swx[to] - swx[from]
		return math.Max(swxx[to]-swxx[from]-m*m/(sw[to]-sw[from]), 0) / sigma2
	}
	return optimal(n, penalty, cost)
}

// optimal returns the first index of each level of the partition of [0, n) with the
// lowest total of costs and penalties.
func optimal(n int, penalty float64, cost func(from, to int) float64) []int {
	best, last := make([]float64, n+1), make([]int, n+1)
	best[0] = -penalty
	for to := 1; to <= n; to++ {
		best[to] = math.Inf(1)
		for from := 0; from <= to-MinSegment || from == 0; from++ {
			if from > 0 && from < MinSegment {
				continue
			}
			if c := best[from] + cost(from, to) + penalty; c < best[to] {
				best[to], last[to] = c, from
			}
		}
	}
	var cuts []int
	for to := n; to > 0; to = last[to] {
		cuts = append(cuts, last[to])
	}
	slices.Reverse(cuts)
	return cuts
}

// noise returns an estimate of the variance of x around its levels. It is at least
// that of a standard deviation of 5 %.
func noise(x []float64) float64 {
	if len(x) < 3 {
		return .05 * .05
	}
	d := make([]float64, len(x)-1)
	for i := range d {
		d[i] = math.Abs(x[i+1] - x[i])
	}
	slices.Sort(d)
	sigma := 1.4826 * d[len(d)/2] / math.Sqrt2
	return math.Max(sigma*sigma, .05*.05)
}

// Matters reports whether two mean latencies, in seconds, differ by a relevant
// amount: by at least 15 ms and 30 % of the lower one.
func Matters(a, b float64) bool {
	lower, d := math.Min(a, b), math.Abs(a-b)
	return d >= leastGrowth && d >= leastRatio*lower
}

// Growth that matters, in seconds and as a part of the lower mean.
const (
	leastGrowth = .015
	leastRatio  = .3
)

// Significant reports whether the mean of now is higher than that of base, by
// Welch's t-test of the steps' means, weighted by their requests. The threshold is
// high because a diagnosis may be run at any time. At least atLeast steps of now, and
// two thirds of them, must be raised, so a single slow step is not enough.
func Significant(sum, count []float64, base, now []int, atLeast int) bool {
	m1, v1, n1 := moments(sum, count, base)
	m2, v2, n2 := moments(sum, count, now)
	up, all := 0, 0
	for _, i := range now {
		if count[i] > 0 {
			all++
			if sum[i]/count[i] > m1+(m2-m1)/4 {
				up++
			}
		}
	}
	return m2-m1 > 3*math.Sqrt(v1/n1+v2/n2) && 3*up >= 2*all && up >= atLeast
}

// moments returns the weighted mean and variance of the steps' means, and the
// effective number of steps (Kish 1965).
func moments(sum, count []float64, steps []int) (mean, variance, n float64) {
	var w, w2, total float64
	for _, i := range steps {
		total += sum[i]
		w += count[i]
		w2 += count[i] * count[i]
	}
	if w == 0 {
		return 0, math.Inf(1), 1
	}
	mean = total / w
	for _, i := range steps {
		if count[i] > 0 {
			d := sum[i]/count[i] - mean
			variance += count[i] * d * d
		}
	}
	n = w * w / w2
	if n > 1.5 {
		variance /= w * (1 - 1/n)
	} else {
		variance = math.Inf(1)
	}
	return mean, variance, n
}

// latencyLevels returns the levels of a latency series as LatencyLevels does, without
// regard to earlier moments. atLeast is the minimum number of raised steps.
func latencyLevels(sum, count []float64, atLeast int) Levels {
	segs := segmentize(sum, count)
	last := segs[len(segs)-1]
	now := span(last.from, last.to)
	low := lowest(segs[:len(segs)-1])
	if len(segs) == 1 || math.IsInf(low, 1) {
		return Levels{Now: now, Baseline: now}
	}
	l := Levels{Now: now}
	high, top := len(sum), 0.0 // first step and mean of the raised levels before the last one
	for _, s := range segs[:len(segs)-1] {
		spike := Matters(s.mean, low) && s.mean-low > .25*(last.mean-low)
		switch {
		case s.n < MinRequests:
		case !spike:
			l.Baseline = append(l.Baseline, span(s.from, s.to)...)
			high = len(sum)
		default:
			l.Past = span(s.from, s.to)
			high = min(high, s.from)
			top = s.mean
		}
	}
	if !(last.mean > low) || !Matters(last.mean, low) {
		return l
	}
	l.Raised = Significant(sum, count, l.Baseline, now, atLeast)
	// A greater height does not end a spike, nor does a lower one of few steps. Until it is
	// a level of its own, both are one.
	follows := high < last.from && (last.mean >= top || last.to-last.from < atLeast)
	if both := span(high, len(sum)); !l.Raised && follows && Significant(sum, count, l.Baseline, both, atLeast) {
		l.Raised, l.Now, l.Past = true, both, nil
	}
	return l
}

// minPart is the part of the steps that levels of about one height must have to be ordinary,
// if there are others: a few quick steps between incidents are not.
const minPart = .1

// lowest returns the mean of the lowest level that is ordinary, or infinity without levels.
func lowest(segs []segment) float64 {
	low, any, all := math.Inf(1), math.Inf(1), 0
	for _, s := range segs {
		all += s.to - s.from
	}
	for _, s := range segs {
		if s.n < MinRequests {
			continue
		}
		any = math.Min(any, s.mean)
		alike := 0
		for _, o := range segs {
			if o.n >= MinRequests && !Matters(o.mean, s.mean) {
				alike += o.to - o.from
			}
		}
		if float64(alike) >= minPart*float64(all) {
			low = math.Min(low, s.mean)
		}
	}
	if math.IsInf(low, 1) {
		return any
	}
	return low
}

// span returns the steps [from, to).
func span(from, to int) []int {
	out := make([]int, 0, max(to-from, 0))
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out
}
