package sample

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/stats"
	"github.com/tenhop/tenhop/trace"
)

// Size of the counterfactual: how many requests are replayed, how often each,
// and how often their p95 is drawn.
const (
	replayed   = 200
	maxReplays = 20
	minReplay  = 3         // times; a request that cannot be replayed so often is no basis for an interval
	spanBudget = 2_000_000 // spans that all replays together may visit
	p95Draws   = 300
	minReplays = 20 // requests, for a p95
)

// counterfactual returns the 90 % interval of the entry's p95, in milliseconds,
// had a suspect's own time been that of the baseline: in each request of now it
// is replaced by draws from the baseline, and the request is replayed. Requests
// are drawn as well (bootstrap), so that the interval is wide where they are few.
// It is the interval of a p95 that will be measured, over as many requests again,
// in another stretch of time: logStdDev is the standard deviation of the logarithm
// of the entry's level between such stretches.
func (s *Sample) counterfactual(k suspect, base, now Requests, logStdDev float64) [2]float64 {
	before := map[string][]time.Duration{} // by operation
	var all []time.Duration
	for _, r := range base.requests {
		if r.trace.Spans == nil || s.measure.load(&r.trace) == trace.None {
			continue
		}
		for _, x := range s.owned(k, r.root) {
			before[x.operation], all = append(before[x.operation], x.self), append(all, x.self)
		}
	}
	rng := rand.New(rand.NewPCG(5, 6))
	var took [][]float64
	var weights []float64
	stride := max(len(now.requests)/replayed, 1)
	spans := 0
	for i := 0; i < len(now.requests); i += stride {
		spans += len(now.requests[i].trace.Spans)
	}
	replays := min(spanBudget/max(spans, 1), maxReplays)
	if replays < minReplay {
		return [2]float64{}
	}
	for i := 0; i < len(now.requests); i += stride {
		r := now.requests[i]
		if r.trace.Spans == nil || s.measure.load(&r.trace) == trace.None {
			continue
		}
		mine := map[int][]time.Duration{}
		for _, x := range s.owned(k, r.root) {
			if mine[x.span] = before[x.operation]; mine[x.span] == nil {
				mine[x.span] = all // its span is lost, and with it the operation
			}
		}
		plays := make([]float64, replays)
		for j := range plays {
			plays[j] = s.measure.tree.Replay(r.root, func(span int, self time.Duration) float64 {
				draws := mine[span]
				if len(draws) == 0 || self <= 0 {
					return 1 // not the suspect's
				}
				return float64(draws[rng.IntN(len(draws))]) / float64(self)
			}).Seconds()
		}
		took, weights = append(took, plays), append(weights, now.weights[i])
	}
	if len(took) < minReplays || len(before) == 0 {
		return [2]float64{}
	}
	pick := cumulative(weights)
	p95 := make([]float64, p95Draws)
	drawn := make([]float64, len(took))
	for i := range p95 {
		for j := range drawn {
			at, _ := slices.BinarySearch(pick, rng.Float64()*pick[len(pick)-1])
			drawn[j] = took[min(at, len(took)-1)][rng.IntN(replays)]
		}
		p95[i] = stats.Quantile(drawn, .95) * 1000
	}
	return predicted(stats.Middle90(p95), stats.Median(p95), logStdDev)
}

// predicted widens the 90 % interval of an estimate to one of a measurement:
// variances of logarithms add up, the estimate's twice.
func predicted(of [2]float64, middle, logStdDev float64) [2]float64 {
	const z90 = 1.645
	if middle <= 0 || of[0] <= 0 {
		return of
	}
	more := func(half float64) float64 { return math.Sqrt(2*half*half + z90*z90*logStdDev*logStdDev) }
	return [2]float64{stats.Round(middle * math.Exp(-more(math.Log(middle/of[0])))), stats.Round(middle * math.Exp(more(math.Log(of[1]/middle))))}
}

func cumulative(v []float64) []float64 {
	out := make([]float64, len(v))
	total := 0.0
	for i, x := range v {
		total += x
		out[i] = total
	}
	return out
}

type owned struct {
	span      int
	operation string
	self      time.Duration
}

// owned returns the suspect's spans among a span of the loaded trace and those
// below it.
func (s *Sample) owned(k suspect, root int) []owned {
	tree := &s.measure.tree
	var out []owned
	for todo := []int{root}; len(todo) > 0; {
		i := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], tree.Children(i)...)
		if p := s.measure.partOf(i); s.suspectOf(p) == k {
			out = append(out, owned{i, p.operation, tree.Self(i)})
		}
	}
	return out
}
