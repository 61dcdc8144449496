package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// bootstrapDraws is how often a bootstrap draws.
const bootstrapDraws = 200

// Bootstrap returns the 90 % percentile interval (Efron 1979) of what one draw
// gives. draw is called with a seeded generator, so that the same evidence has
// the same interval, and reports false for a draw without a value. The interval
// is zero when no draw has one.
func Bootstrap(draw func(*rand.Rand) (float64, bool)) [2]float64 {
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, 0, bootstrapDraws)
	for range bootstrapDraws {
		if v, ok := draw(rng); ok {
			values = append(values, v)
		}
	}
	return Middle90(values)
}

// Middle90 returns the range that holds the middle 90 % of values, which it
// sorts; zero without values.
func Middle90(v []float64) [2]float64 {
	if len(v) == 0 {
		return [2]float64{}
	}
	slices.Sort(v)
	return [2]float64{Round(v[len(v)*5/100]), Round(v[len(v)*95/100])}
}

// Wilson returns the 90 % score interval of x of n (Wilson 1927).
func Wilson(x, n int) [2]float64 {
	const z = 1.645
	p, m := float64(x)/float64(n), float64(n)
	mid, half := p+z*z/(2*m), z*math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return [2]float64{Round((mid - half) / (1 + z*z/m)), Round((mid + half) / (1 + z*z/m))}
}

// Quantile returns a quantile of values, which it sorts.
func Quantile(v []float64, q float64) float64 {
	slices.Sort(v)
	return v[min(int(math.Ceil(q*float64(len(v))))-1, len(v)-1)]
}

// Median returns the middle of values, the lower one of two; it sorts them.
func Median(v []float64) float64 {
	slices.Sort(v)
	return v[(len(v)-1)/2]
}

// LogStdDev returns the standard deviation of the logarithms of positive
// values; 0 for fewer than two.
func LogStdDev(v []float64) float64 {
	var logs []float64
	mean := 0.0
	for _, x := range v {
		if x > 0 {
			logs = append(logs, math.Log(x))
		}
	}
	if len(logs) < 2 {
		return 0
	}
	for _, l := range logs {
		mean += l / float64(len(logs))
	}
	squares := 0.0
	for _, l := range logs {
		squares += (l - mean) * (l - mean)
	}
	return math.Sqrt(squares / float64(len(logs)-1))
}

// Round rounds to thousandths, as results are printed.
func Round(v float64) float64 { return math.Round(v*1000) / 1000 }
