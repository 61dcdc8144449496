package diagnose

import "math"

// segment is a stretch of steps with one level of latency.
type segment struct {
	from, to int // steps, to is exclusive
	mean     float64
	n        float64
}

// minSegment is the shortest stretch that counts as a level, in steps, and the
// fewest requests in it.
const (
	minSegment  = 2
	minRequests = 8
)

// segmentize splits a latency series into levels by binary segmentation (Scott
// and Knott 1974): split where the weighted sum of squares between the two
// sides is largest, as long as the difference is both significant and large
// enough to matter, then go on within each side.
func segmentize(sum, count []float64) []segment {
	var out []segment
	var split func(from, to int)
	split = func(from, to int) {
		if k := bestSplit(sum, count, from, to); k > 0 {
			split(from, k)
			split(k, to)
			return
		}
		s := segment{from: from, to: to}
		var total float64
		for i := from; i < to; i++ {
			total += sum[i]
			s.n += count[i]
		}
		if s.n > 0 {
			s.mean = total / s.n
		}
		out = append(out, s)
	}
	split(0, len(sum))
	return out
}

// bestSplit returns the step that splits best, or 0 for none.
func bestSplit(sum, count []float64, from, to int) int {
	var allSum, allN float64
	for i := from; i < to; i++ {
		allSum += sum[i]
		allN += count[i]
	}
	best, at := 0.0, 0
	var leftSum, leftN float64
	for k := from + 1; k < to; k++ {
		leftSum += sum[k-1]
		leftN += count[k-1]
		rightSum, rightN := allSum-leftSum, allN-leftN
		if k-from < minSegment || to-k < minSegment || leftN < minRequests || rightN < minRequests {
			continue
		}
		d := leftSum/leftN - rightSum/rightN
		if between := d * d * leftN * rightN / allN; between > best && matters(leftSum/leftN, rightSum/rightN) &&
			significant(sum, count, from, k, to) {
			best, at = between, k
		}
	}
	return at
}

// matters tells whether two levels differ by enough for somebody to care: 15 ms
// and 30 % of the lower one.
func matters(a, b float64) bool {
	lower, d := math.Min(a, b), math.Abs(a-b)
	return d >= .015 && d >= .3*lower
}

// significant compares the levels by Welch's t over the steps' means, weighted
// by their requests. The bar is high: every step of a series may be a split.
func significant(sum, count []float64, from, k, to int) bool {
	m1, v1, n1 := moments(sum, count, from, k)
	m2, v2, n2 := moments(sum, count, k, to)
	se := math.Sqrt(v1/n1 + v2/n2)
	return math.Abs(m1-m2) > 4*se
}

// moments returns the weighted mean of the steps' means, their weighted
// variance and the effective number of steps (Kish 1965).
func moments(sum, count []float64, from, to int) (mean, variance, n float64) {
	var w, w2, total float64
	for i := from; i < to; i++ {
		total += sum[i]
		w += count[i]
		w2 += count[i] * count[i]
	}
	if w == 0 {
		return 0, math.Inf(1), 1
	}
	mean = total / w
	for i := from; i < to; i++ {
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

// levels returns the steps of the present level and those of the baseline
// before it: all earlier levels that are not themselves raised. An earlier level
// counts as raised when its distance from the lowest one matters and is more
// than a quarter of the present one's: the ordinary ups and downs of a service
// belong to its baseline, an earlier spike does not.
func levels(sum, count []float64) (now segment, baseline window, raised bool) {
	segs := segmentize(sum, count)
	now = segs[len(segs)-1]
	low := math.Inf(1)
	for _, s := range segs[:len(segs)-1] {
		if s.n >= minRequests {
			low = math.Min(low, s.mean)
		}
	}
	if len(segs) == 1 || math.IsInf(low, 1) {
		return now, steps(now.from, now.to), false
	}
	for _, s := range segs[:len(segs)-1] {
		spike := matters(s.mean, low) && s.mean-low > .25*(now.mean-low)
		if s.n >= minRequests && !spike {
			baseline = append(baseline, steps(s.from, s.to)...)
		}
	}
	return now, baseline, now.mean > low && matters(now.mean, low)
}
