package stats

import "math"

// A rise of failures counts when the ratio is higher by MinErrorRise and by
// minErrorZ standard errors (test of two proportions).
const (
	MinErrorRise = .02
	minErrorZ    = 4.0
)

// MoreFail reports whether y of m requests fail more often than x of n before.
func MoreFail(x, n, y, m float64) bool {
	if n < MinRequests || m < MinRequests || y/m-x/n < MinErrorRise {
		return false
	}
	p := (x + y) / (n + m)
	return y/m-x/n > minErrorZ*math.Sqrt(math.Max(p*(1-p), 1e-9)*(1/n+1/m))
}

// FailureLevels splits a series of failures and requests, one value per step,
// into levels of their ratio, as LatencyLevels does, by the deviance of a
// binomial. It returns the steps of the last level and those of the earlier
// levels that are not themselves raised; nil when there is one level only.
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

func xlogy(x, y float64) float64 {
	if x <= 0 {
		return 0
	}
	return x * math.Log(y)
}
