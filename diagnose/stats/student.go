package stats

import "math"

// StudentT returns the value that a t-distributed variable with df degrees of freedom
// exceeds with probability p, which must be above 0 and below 0.5. df must be at least 1.
func StudentT(p float64, df int) float64 {
	low, high := 0.0, 1.0
	for studentTail(high, df) > p && high < 1e12 {
		high *= 2
	}
	for range 200 {
		mid := (low + high) / 2
		if studentTail(mid, df) > p {
			low = mid
		} else {
			high = mid
		}
	}
	return high
}

// studentTail returns the probability that a t-distributed variable exceeds t, which must
// not be negative (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4).
func studentTail(t float64, df int) float64 {
	theta := math.Atan(t / math.Sqrt(float64(df)))
	sin, cos := math.Sincos(theta)
	inside, term := 0.0, 1.0
	if df%2 == 1 {
		term = cos
		for k := 1; k < df-1; k += 2 {
			inside += term
			term *= cos * cos * float64(k+1) / float64(k+2)
		}
		if df > 1 {
			theta += sin * inside
		}
		return max(0.5-theta/math.Pi, 0)
	}
	for k := 0; k < df; k += 2 {
		inside += term
		term *= cos * cos * float64(k+1) / float64(k+2)
	}
	return max((1-sin*inside)/2, 0)
}
