package stats

import "math"

// FewerThan returns the probability that a Poisson variable with a mean is at most n.
func FewerThan(n, mean float64) float64 {
	if mean <= 0 {
		return 1
	}
	term, total := math.Exp(-mean), 0.0
	for k := 0.0; k <= math.Floor(n+1e-9); k++ {
		total += term
		term *= mean / (k + 1)
	}
	return math.Min(total, 1)
}
