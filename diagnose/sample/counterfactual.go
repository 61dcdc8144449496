package sample

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/stats"
	"github.com/tenhop/tenhop/trace"
)

// Size of a counterfactual.
const (
	replayed   = 200       // requests to replay, about
	maxReplays = 20        // replays per request
	leastPlays = 3         // replays per request below which there is no interval
	spanBudget = 2_000_000 // spans that all replays together may visit
	p95Draws   = 300       // draws of the p95
	minReplays = 20        // minimum requests for a p95
)

// counterfactual returns the 90 % prediction interval of the entry's p95, in
// milliseconds, if a suspect's self time were that of the baseline. A bootstrap over
// requests and draws gives the uncertainty of the p95.
//
// The interval predicts a new measurement of as many requests at another time.
// logStdDev is the standard deviation of log(mean) between such times. The interval is
// zero if there are too few requests.
func (s *Sample) counterfactual(k suspect, base, now Requests, logStdDev float64) [2]float64 {
	rng := rand.New(rand.NewPCG(5, 6))
	took, weights := s.replays(map[suspect]bool{k: true}, base, now, rng)
	if len(took) < minReplays {
		return [2]float64{}
	}
	pick := cumulative(weights)
	p95 := make([]float64, p95Draws)
	drawn := make([]float64, len(took))
	for i := range p95 {
		for j := range drawn {
			at, _ := slices.BinarySearch(pick, rng.Float64()*pick[len(pick)-1])
			of := took[min(at, len(took)-1)]
			drawn[j] = of[rng.IntN(len(of))]
		}
		p95[i] = stats.Quantile(drawn, .95) * 1000
	}
	return predicted(stats.Middle90(p95), stats.Median(p95), logStdDev)
}

// meanWithout returns the mean duration, in seconds, that the requests of now would
// have if the self times of suspects were those of the baseline.
func (s *Sample) meanWithout(ks map[suspect]bool, base, now Requests) (mean float64, ok bool) {
	took, weights := s.replays(ks, base, now, rand.New(rand.NewPCG(5, 6)))
	sum, total := 0.0, 0.0
	for i, plays := range took {
		for _, v := range plays {
			sum += weights[i] * v / float64(len(plays))
		}
		total += weights[i]
	}
	return sum / total, total > 0
}

// replays returns durations, in seconds, that requests of now would have had, several
// for each request, and the weights of the requests. The self times of suspects in each
// request are replaced by draws from the baseline, and the request is replayed. The
// result is empty if the baseline has none of the suspects or the requests have too
// many spans.
func (s *Sample) replays(ks map[suspect]bool, base, now Requests, rng *rand.Rand) (took [][]float64, weights []float64) {
	type origin struct {
		suspect
		operation string
	}
	before, all := map[origin][]time.Duration{}, map[suspect][]time.Duration{}
	for _, r := range base.requests {
		if r.trace.Spans == nil || s.measure.load(&r.trace) == trace.None {
			continue
		}
		for _, x := range s.suspectSpans(ks, r.root) {
			k := origin{x.suspect, x.operation}
			before[k], all[x.suspect] = append(before[k], x.self), append(all[x.suspect], x.self)
		}
	}
	stride := max(len(now.requests)/replayed, 1)
	spans := 0
	for i := 0; i < len(now.requests); i += stride {
		spans += len(now.requests[i].trace.Spans)
	}
	replays := min(spanBudget/max(spans, 1), maxReplays)
	if replays < leastPlays || len(before) == 0 {
		return nil, nil
	}
	for i := 0; i < len(now.requests); i += stride {
		r := now.requests[i]
		if r.trace.Spans == nil || s.measure.load(&r.trace) == trace.None {
			continue
		}
		draws := map[int][]time.Duration{}
		for _, x := range s.suspectSpans(ks, r.root) {
			if draws[x.span] = before[origin{x.suspect, x.operation}]; draws[x.span] == nil {
				draws[x.span] = all[x.suspect] // no baseline of the operation, for instance because its span is lost
			}
		}
		plays := make([]float64, replays)
		for j := range plays {
			plays[j] = s.measure.tree.Replay(r.root, func(span int, self time.Duration) float64 {
				d := draws[span]
				if len(d) == 0 || self <= 0 {
					return 1 // not the suspects'
				}
				return float64(d[rng.IntN(len(d))]) / float64(self)
			}).Seconds()
		}
		took, weights = append(took, plays), append(weights, now.weights[i])
	}
	return took, weights
}

// predicted widens the 90 % interval of an estimate to that of a new measurement. It
// adds the variances of the logarithms. The estimate's counts twice, because the new
// measurement has the same uncertainty.
func predicted(of [2]float64, middle, logStdDev float64) [2]float64 {
	const z90 = 1.645
	if middle <= 0 || of[0] <= 0 {
		return of
	}
	more := func(half float64) float64 { return math.Sqrt(2*half*half + z90*z90*logStdDev*logStdDev) }
	return [2]float64{stats.Round(middle * math.Exp(-more(math.Log(middle/of[0])))),
		stats.Round(middle * math.Exp(more(math.Log(of[1]/middle))))}
}

// cumulative returns the running totals of v.
func cumulative(v []float64) []float64 {
	out := make([]float64, len(v))
	total := 0.0
	for i, x := range v {
		total += x
		out[i] = total
	}
	return out
}

// suspectSpan is a span whose self time belongs to a suspect.
type suspectSpan struct {
	suspect
	span      int
	operation string
	self      time.Duration
}

// suspectSpans returns the spans of suspects among a span of the loaded trace and its
// descendants.
func (s *Sample) suspectSpans(ks map[suspect]bool, root int) []suspectSpan {
	tree := &s.measure.tree
	var out []suspectSpan
	for todo := []int{root}; len(todo) > 0; {
		i := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], tree.Children(i)...)
		if p := s.measure.placeOf(i); ks[s.suspectOf(p)] {
			out = append(out, suspectSpan{s.suspectOf(p), i, p.operation, tree.Self(i)})
		}
	}
	return out
}
