package diagnose

import (
	"cmp"
	"math"
	"slices"
)

// bandOf is the part of the requests around a quantile that stands for it: the
// quantile of a sum is not the sum of the parts' quantiles, but requests of
// about that duration have parts that add up to it.
var bandOf = []struct{ quantile, from, to float64 }{{.5, .45, .55}, {.95, .925, .975}, {.99, .98, 1}}

// minBand is how many requests a band needs on either side.
const minBand = 3

// bands splits the growth of p50, p95 and p99.
func (b *Book) bands(base, now sample) []Band {
	out := []Band{}
	for _, q := range bandOf {
		x, y := base.band(q.from, q.to), now.band(q.from, q.to)
		if len(x.requests) < minBand || len(y.requests) < minBand {
			continue
		}
		band := Band{Quantile: q.quantile, BaselineMS: round(base.quantile(q.quantile) * 1000), NowMS: round(now.quantile(q.quantile) * 1000),
			Requests: Requests{len(x.requests), len(y.requests)}, Parts: []BandPart{}}
		band.AddedMS = round(band.NowMS - band.BaselineMS)
		if y.mean(seconds) > x.mean(seconds) && matters(x.mean(seconds), y.mean(seconds)) {
			for _, f := range b.shares(x, y, .05) {
				band.Parts = append(band.Parts, BandPart{Hop: f.Hop, Operation: f.Operation, Kind: f.Kind, Target: f.Target, AddedMS: f.AddedMS, Share: f.Share})
			}
		}
		out = append(out, band)
	}
	return out
}

// byDuration returns the order of the requests, shortest first.
func (s sample) byDuration() []int {
	order := make([]int, len(s.requests))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.requests[a].took, s.requests[b].took) })
	return order
}

// band returns the requests whose rank lies between two parts of the whole.
func (s sample) band(from, to float64) sample {
	var out sample
	below := 0.0
	for _, i := range s.byDuration() {
		middle := (below + s.weights[i]/2) / s.total
		below += s.weights[i]
		if middle >= from && middle <= to {
			out.add(s.requests[i], s.weights[i])
		}
	}
	return out
}

// quantile is the weighted quantile of the requests' durations, in seconds.
func (s sample) quantile(q float64) float64 {
	below, last := 0.0, 0.0
	for _, i := range s.byDuration() {
		below += s.weights[i]
		last = s.requests[i].took.Seconds()
		if below >= q*s.total {
			break
		}
	}
	return last
}

// quantileOf is the quantile of values, which it sorts.
func quantileOf(v []float64, q float64) float64 {
	slices.Sort(v)
	return v[min(int(math.Ceil(q*float64(len(v))))-1, len(v)-1)]
}
