package stats

import "math"

// A failure ratio has risen if it is higher by at least MinErrorRise and by more
// than 4 standard errors.
const (
	MinErrorRise = .02
	minErrorZ    = 4.0
)

// MoreFail reports whether y failures of m requests are a higher ratio than x of n,
// by a pooled z-test of two proportions. It reports false if n or m is below
// MinRequests.
func MoreFail(x, n, y, m float64) bool {
	if n < MinRequests || m < MinRequests || y/m-x/n < MinErrorRise {
		return false
	}
	p := (x + y) / (n + m)
	return y/m-x/n > minErrorZ*math.Sqrt(math.Max(p*(1-p), 1e-9)*(1/n+1/m))
}

// FailureLevels splits a series of failures and requests, one value per step, into
// levels of their ratio. It uses the same partitioning as LatencyLevels, with the
// deviance of a binomial as the cost. It returns the steps of the last level and
// those of the earlier levels that are not raised themselves. Both are nil if there
// is only one level.
func FailureLevels(failed, count []float64) (now, baseline []int) {
	var at []int
	f, n := []float64{0}, []float64{0}
	for i := range count {
		if count[i] > 0 {
			at = append(at, i)
			f, n = append(f, f[len(f)-1]+failed[i]), append(n, n[len(n)-1]+count[i])
		}
	}
	if len(at) < 2*MinSegment {
		return nil, nil
	}
	ratio := func(from, to int) float64 { return (f[to] - f[from]) / (n[to] - n[from]) }
	cuts := optimal(len(at), 6*math.Log(float64(len(at))), func(from, to int) float64 {
		x, m := f[to]-f[from], n[to]-n[from]
		return -2 * (xlogy(x, x/m) + xlogy(m-x, 1-x/m))
	})
	if len(cuts) == 1 {
		return nil, nil
	}
	last := cuts[len(cuts)-1]
	level := ratio(last, len(at))
	cuts = append(cuts, len(at))
	low := math.Inf(1)
	for i := range len(cuts) - 2 {
		low = math.Min(low, ratio(cuts[i], cuts[i+1]))
	}
	for i := range len(cuts) - 2 {
		if r := ratio(cuts[i], cuts[i+1]); r-low < math.Max(MinErrorRise, .25*(level-low)) {
			baseline = append(baseline, at[cuts[i]:cuts[i+1]]...)
		}
	}
	return span(at[last], len(count)), baseline
}

// xlogy returns x·log(y), and 0 if x is 0.
func xlogy(x, y float64) float64 {
	if x <= 0 {
		return 0
	}
	return x * math.Log(y)
}
