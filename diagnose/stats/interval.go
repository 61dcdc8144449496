package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// bootstrapDraws is the number of draws of a bootstrap.
const bootstrapDraws = 200

// Bootstrap returns the 90 % percentile bootstrap interval (Efron 1979) of the
// values that draw returns. draw reports false if it has no value. The generator has
// a fixed seed, so equal input gives equal intervals. The interval is zero if there
// are no values.
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

// Middle90 returns the 5th and 95th percentiles of v, rounded. It sorts v. The result
// is zero if v is empty.
func Middle90(v []float64) [2]float64 {
	if len(v) == 0 {
		return [2]float64{}
	}
	slices.Sort(v)
	return [2]float64{Round(v[len(v)*5/100]), Round(v[len(v)*95/100])}
}

// Wilson returns the 90 % score interval of the ratio x/n (Wilson 1927), rounded.
func Wilson(x, n int) [2]float64 {
	const z = 1.645
	p, m := float64(x)/float64(n), float64(n)
	mid, half := p+z*z/(2*m), z*math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return [2]float64{Round((mid - half) / (1 + z*z/m)), Round((mid + half) / (1 + z*z/m))}
}

// Quantile returns the q-quantile of v, 0 < q <= 1, without interpolation. It sorts v
// and panics if v is empty.
func Quantile(v []float64, q float64) float64 {
	slices.Sort(v)
	return v[min(int(math.Ceil(q*float64(len(v))))-1, len(v)-1)]
}

// Median returns the median of v, the lower one if there are two. It sorts v and
// panics if v is empty.
func Median(v []float64) float64 {
	slices.Sort(v)
	return v[(len(v)-1)/2]
}

// LogStdDev returns the sample standard deviation of the logarithms of the positive
// values in v. It is 0 for fewer than two.
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

// Round rounds v to three decimal places, the precision of printed results.
func Round(v float64) float64 { return math.Round(v*1000) / 1000 }
