package stats

import (
	"math"
	"slices"
)

// MannWhitney returns the one-sided p of the U test of Mann and Whitney (1947). The
// alternative is that values of now tend to be larger than those of base. The p is
// exact if one sample has at most 20 values and the product of the sizes is at most
// 2000. Otherwise it is the normal approximation with corrections for ties and
// continuity. It is 1 if a sample is empty.
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
		j, inNow := i, 0
		for ; j < len(all) && all[j].v == all[i].v; j++ {
			if all[j].now {
				inNow++
			}
		}
		t := float64(j - i)
		ranks += float64(inNow) * (float64(i+j+1) / 2)
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

// exactU returns the probability of a U of at least u if all orders of n and m values
// are equally likely. Ties are ignored.
func exactU(n, m, u int) float64 {
	// c[k] is the number of orders with U = k: the coefficient of q^k in the
	// Gaussian binomial ∏ (1-q^(n+i)) / (1-q^i), i = 1..m.
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
	// c is symmetric. Its lower half is summed because small counts are exact in
	// floating point.
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
