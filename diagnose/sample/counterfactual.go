package sample

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/stats"
)

// Size of the counterfactual: how many requests are replayed, how often each,
// and how often their p95 is drawn.
const (
	replayed   = 200
	replays    = 20
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
		if r.trace.Spans == nil || s.walker.load(r.trace) == none {
			continue
		}
		for _, x := range s.owned(k, r.root) {
			before[x.operation], all = append(before[x.operation], x.own), append(all, x.own)
		}
	}
	rng := rand.New(rand.NewPCG(5, 6))
	var took [][]float64
	var weights []float64
	stride := max(len(now.requests)/replayed, 1)
	for i := 0; i < len(now.requests); i += stride {
		r := now.requests[i]
		if r.trace.Spans == nil || s.walker.load(r.trace) == none {
			continue
		}
		mine := map[int32][]time.Duration{}
		for _, x := range s.owned(k, r.root) {
			if mine[x.span] = before[x.operation]; mine[x.span] == nil {
				mine[x.span] = all // its span is lost, and with it the operation
			}
		}
		plays := make([]float64, replays)
		for j := range plays {
			plays[j] = s.walker.replay(r.root, func(span int32, own time.Duration) float64 {
				draws := mine[span]
				if len(draws) == 0 || own <= 0 {
					return 1 // not the suspect's
				}
				return float64(draws[rng.IntN(len(draws))]) / float64(own)
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
	span      int32
	operation string
	own       time.Duration
}

// owned returns the suspect's spans below a span of the loaded trace, with their
// own time.
func (s *Sample) owned(k suspect, root int32) []owned {
	w := s.walker
	var out []owned
	var visit func(i int32)
	visit = func(i int32) {
		if p := w.partOf(i); s.suspectOf(p) == k {
			n := w.nodes[i]
			out = append(out, owned{i, p.operation, w.bare(n.start, n.end, w.waited(i))})
		}
		for c := w.nodes[i].child; c != none; c = w.nodes[c].next {
			visit(c)
		}
	}
	visit(root)
	return out
}

// waited returns the children that a span waited for, by their start.
func (w *walker) waited(i int32) []int32 {
	var out []int32
	n := w.nodes[i]
	for c := n.child; c != none; c = w.nodes[c].next {
		s := &w.trace.Spans[c]
		if s.Kind == "consumer" || s.Service == w.trace.Spans[i].Service && w.nodes[c].end > n.end+outlives || w.nodes[c].start >= n.end {
			continue
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b int32) int { return int(w.nodes[a].start - w.nodes[b].start) })
	return out
}

// bare is how much of a time none of the spans ran; they are sorted by start.
func (w *walker) bare(from, to time.Duration, spans []int32) time.Duration {
	free, reached := time.Duration(0), from
	for _, c := range spans {
		start, end := w.nodes[c].start, w.nodes[c].end
		if start > reached {
			free += max(min(start, to)-reached, 0)
		}
		if reached = max(reached, end); reached >= to {
			break
		}
	}
	return free + max(to-reached, 0)
}

// replay is how long a span would take if each span's own time were as many
// times as long as scale says. What happens after some of its children had
// ended happens, as long as it did, after the last of these.
func (w *walker) replay(i int32, scale func(span int32, own time.Duration) float64) time.Duration {
	n := w.nodes[i]
	kids := w.waited(i)
	factor := scale(i, w.bare(n.start, n.end, kids))
	ends := make([]time.Duration, len(kids)) // since the span's new start
	// after is when something happens that happened at a moment.
	after := func(moment time.Duration, before int) time.Duration {
		since, at := n.start, time.Duration(0)
		for j := range before {
			if end := min(w.nodes[kids[j]].end, n.end); end <= moment {
				since, at = max(since, end), max(at, ends[j])
			}
		}
		free := w.bare(since, moment, kids)
		return at + (moment - since - free) + time.Duration(factor*float64(free))
	}
	last := time.Duration(0)
	for j, c := range kids {
		ends[j] = after(max(w.nodes[c].start, n.start), j) + w.replay(c, scale)
		last = max(last, ends[j])
	}
	return max(after(n.end, len(kids)), last)
}
