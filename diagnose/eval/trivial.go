package eval

import (
	"cmp"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/trace"
)

// byService returns the durations of each service's spans, in milliseconds.
func byService(traces []trace.Trace) map[string][]float64 {
	out := map[string][]float64{}
	for _, t := range traces {
		for _, s := range t.Spans {
			out[s.Service] = append(out[s.Service], s.Duration.Seconds()*1000)
		}
	}
	return out
}

// ranked returns names in descending order of score.
func ranked(score map[string]float64) []string {
	names := slices.Collect(maps.Keys(score))
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(score[b], score[a]), strings.Compare(a, b))
	})
	return names
}

// byP99 ranks services by the growth of their spans' 99th percentile.
func byP99(base, now []trace.Trace, _ uint64) []string {
	p99 := func(v []float64) float64 {
		if len(v) == 0 {
			return 0
		}
		s := slices.Sorted(slices.Values(v))
		return s[int(.99*float64(len(s)-1))]
	}
	b, n := byService(base), byService(now)
	score := map[string]float64{}
	for s := range n {
		score[s] = p99(n[s]) - p99(b[s])
	}
	return ranked(score)
}

// byZ ranks services by the absolute z-score of their spans' mean duration.
func byZ(base, now []trace.Trace, _ uint64) []string {
	b, n := byService(base), byService(now)
	score := map[string]float64{}
	for s, v := range n {
		if len(b[s]) < 2 {
			continue
		}
		mean, sd := moments(b[s])
		m, _ := moments(v)
		score[s] = math.Abs(m-mean) / (sd + 1e-9)
	}
	return ranked(score)
}

// moments returns the mean and the standard deviation of v.
func moments(v []float64) (mean, sd float64) {
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		sd += (x - mean) * (x - mean) / float64(len(v))
	}
	return mean, math.Sqrt(sd)
}

// random ranks services in random order.
func random(_, now []trace.Trace, seed uint64) []string {
	names := slices.Sorted(maps.Keys(byService(now)))
	rand.New(rand.NewPCG(seed, 3)).Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names
}
