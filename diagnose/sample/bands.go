package sample

import (
	"cmp"
	"slices"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// bandRanks holds the ranks of the requests that represent a quantile. The quantile of
// a sum is not the sum of the quantiles, but the costs of each request add up to its
// duration.
var bandRanks = []struct{ quantile, from, to float64 }{{.5, .45, .55}, {.95, .925, .975}, {.99, .98, 1}}

// minBand is the minimum number of requests of a band in each window.
const minBand = 3

// bands splits the growth of p50, p95 and p99.
func (s *Sample) bands(base, now Requests) []result.Band {
	out := []result.Band{}
	for _, q := range bandRanks {
		x, y := base.band(q.from, q.to), now.band(q.from, q.to)
		if len(x.requests) < minBand || len(y.requests) < minBand {
			continue
		}
		band := result.Band{Quantile: q.quantile, BaselineMS: stats.Round(base.quantile(q.quantile) * 1000),
			NowMS:    stats.Round(now.quantile(q.quantile) * 1000),
			Requests: result.Requests{Baseline: len(x.requests), Now: len(y.requests)}, Parts: []result.BandPart{}}
		band.AddedMS = stats.Round(band.NowMS - band.BaselineMS)
		if y.mean(seconds) > x.mean(seconds) && stats.Matters(x.mean(seconds), y.mean(seconds)) {
			for _, f := range s.shares(x, y, .05) {
				band.Parts = append(band.Parts, result.BandPart{Hop: f.Hop, Operation: f.Operation, Kind: f.Kind, Target: f.Target,
					AddedMS: f.AddedMS, Share: f.Share})
			}
		}
		out = append(out, band)
	}
	return out
}

// byDuration returns the indices of the requests in ascending order of duration.
func (s Requests) byDuration() []int {
	order := make([]int, len(s.requests))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.requests[a].took, s.requests[b].took) })
	return order
}

// band returns the requests whose weighted rank, from 0 to 1, lies between two bounds.
func (s Requests) band(from, to float64) Requests {
	var out Requests
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

// quantile returns the weighted quantile of the requests' durations, in seconds.
func (s Requests) quantile(q float64) float64 {
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
