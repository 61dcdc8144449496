package stats

import (
	"math"
	"slices"
)

// Fisher returns the one-sided p of Fisher's exact test that x of n is no more
// than y of m.
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

// FisherTwoSided returns twice the probability of x of n and y of m, or of
// something more extreme in the same direction, were there no difference; at
// most 1.
func FisherTwoSided(x, n, y, m int) float64 {
	if x*m < y*n {
		x, n, y, m = y, m, x, n
	}
	return min(2*Fisher(x, n, y, m), 1)
}

// LeastFisher returns the smallest two-sided p that k of n+m can have.
func LeastFisher(k, n, m int) float64 {
	a, b := min(k, n), min(k, m) // all of them before, or all of them now
	return min(FisherTwoSided(a, n, k-a, m), FisherTwoSided(k-b, n, b, m))
}

// CountTests returns the number to multiply each p by, of tests whose p cannot
// be smaller than least, so that one passes maxP by chance no more often than
// that: Bonferroni's correction without the tests that could not pass it whatever
// they found (Tarone 1990). It sorts least.
func CountTests(least []float64, maxP float64) float64 {
	slices.Sort(least)
	for k := 1; k < len(least); k++ {
		if least[k]*float64(k) > maxP { // the first k could pass, no other can
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
