package stats

import (
	"math"
	"slices"
)

// Fisher returns the one-sided p of Fisher's exact test. The alternative is that the
// ratio x/n is higher than y/m.
func Fisher(x, n, y, m int) float64 {
	k := x + y
	p := 0.0
	for i := x; i <= min(n, k); i++ {
		if k-i > m {
			continue
		}
		p += math.Exp(LogChoose(n, i) + LogChoose(m, k-i) - LogChoose(n+m, k))
	}
	return math.Min(p, 1)
}

// FisherTwoSided returns the two-sided p of Fisher's exact test of x/n against y/m:
// twice the smaller one-sided p, at most 1.
func FisherTwoSided(x, n, y, m int) float64 {
	if x*m < y*n {
		x, n, y, m = y, m, x, n
	}
	return min(2*Fisher(x, n, y, m), 1)
}

// LeastFisher returns the smallest p that FisherTwoSided can have for k successes in
// two samples of sizes n and m.
func LeastFisher(k, n, m int) float64 {
	a, b := min(k, n), min(k, m) // the extreme tables
	return min(FisherTwoSided(a, n, k-a, m), FisherTwoSided(k-b, n, b, m))
}

// CountTests returns the factor by which to multiply the p of each of several tests,
// so that the probability of any false positive at the level maxP is at most maxP.
// least holds the smallest p that each test can have. The factor is Bonferroni's
// without the tests that cannot pass (Tarone 1990), at least 1. CountTests sorts
// least.
func CountTests(least []float64, maxP float64) float64 {
	slices.Sort(least)
	for k := 1; k < len(least); k++ {
		if least[k]*float64(k) > maxP { // only the first k tests can pass
			return float64(k)
		}
	}
	return math.Max(float64(len(least)), 1)
}

// LogChoose returns the logarithm of the binomial coefficient of n and k.
func LogChoose(n, k int) float64 {
	lg := func(n int) float64 { v, _ := math.Lgamma(float64(n + 1)); return v }
	return lg(n) - lg(k) - lg(n-k)
}
