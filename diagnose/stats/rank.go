package stats

import (
	"math"
	"slices"
)

// MannWhitney returns the one-sided p that now is not larger than base, by the
// Mann-Whitney U test (1947): exact where one side is small, else by its normal
// approximation with the correction for ties and continuity.
func MannWhitney(base, now []float64) float64 {
	n, m := len(base), len(now)
	if n == 0 || m == 0 {
		return 1
	}
	type value struct {
		v   float64
		now bool
	}
	all := make([]value, 0, n+m)
	for _, v := range base {
		all = append(all, value{v, false})
	}
	for _, v := range now {
		all = append(all, value{v, true})
	}
	slices.SortFunc(all, func(a, b value) int {
		switch {
		case a.v < b.v:
			return -1
		case a.v > b.v:
			return 1
		}
		return 0
	})
	ranks, ties := 0.0, 0.0
	for i := 0; i < len(all); {
		j, mine := i, 0
		for ; j < len(all) && all[j].v == all[i].v; j++ {
			if all[j].now {
				mine++
			}
		}
		t := float64(j - i)
		ranks += float64(mine) * (float64(i+j+1) / 2)
		ties += t*t*t - t
		i = j
	}
	u := ranks - float64(m*(m+1))/2
	if min(n, m) <= 20 && n*m <= 2000 {
		return exactU(n, m, int(math.Floor(u)))
	}
	total := float64(n + m)
	sd := math.Sqrt(float64(n*m) / 12 * (total + 1 - ties/(total*(total-1))))
	if sd == 0 {
		return 1
	}
	return math.Erfc((u-float64(n*m)/2-.5)/sd/math.Sqrt2) / 2
}

// exactU is the probability of a U of at least u among all orders of n and m
// values, by Mann and Whitney's recurrence in the form of a product of
// polynomials.
func exactU(n, m, u int) float64 {
	// The number of orders with each U is the Gaussian binomial coefficient
	// ∏ (1-q^(n+i)) / (1-q^i), i = 1..m, which is built factor by factor.
	c := make([]float64, n*m+1)
	c[0] = 1
	for i := 1; i <= m; i++ {
		for k := len(c) - 1; k >= n+i; k-- {
			c[k] -= c[k-n-i]
		}
		for k := i; k < len(c); k++ {
			c[k] += c[k-i]
		}
	}
	// The counts are symmetric, and small where k is: there they are exact.
	low := n*m - u
	if u <= n*m/2 {
		low = u - 1
	}
	tail := 0.0
	for k := range low + 1 {
		tail += c[k]
	}
	tail *= math.Exp(-LogChoose(n+m, m))
	if u <= n*m/2 {
		return 1 - tail
	}
	return tail
}
