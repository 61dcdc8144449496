package sample

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/links"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
	"github.com/tenhop/tenhop/trace"
)

// Requests holds requests of one entry. Each is weighted by the number of requests it
// represents.
type Requests struct {
	requests []request
	weights  []float64
	total    float64
	links    map[links.Link]gap // of all entries in the same time; nil if only the requests are known
}

func (s *Requests) add(r request, weight float64) {
	s.requests = append(s.requests, r)
	s.weights = append(s.weights, weight)
	s.total += weight
}

// mean returns the weighted mean of f over the requests.
func (s Requests) mean(f func(request) float64) float64 {
	if s.total == 0 {
		return 0
	}
	v := 0.0
	for i, r := range s.requests {
		v += s.weights[i] * f(r)
	}
	return v / s.total
}

func seconds(r request) float64 { return r.took.Seconds() }

// Len returns the number of requests, not weighted.
func (s Requests) Len() int { return len(s.requests) }

// Traces returns the traces of the requests whose spans are kept: those that failed,
// of the others those that took longer than border, and the rest.
func (s Requests) Traces(border time.Duration) (failed, slow, normal []trace.Trace) {
	for _, r := range s.requests {
		switch {
		case r.trace.Spans == nil:
		case r.failed:
			failed = append(failed, r.trace)
		case r.took > border:
			slow = append(slow, r.trace)
		default:
			normal = append(normal, r.trace)
		}
	}
	return failed, slow, normal
}

// profile holds means per request for each place: the seconds and spans on the critical
// path, and all seconds and spans.
type profile struct{ time, n, all, spans []float64 }

// profile returns the profile of the requests; places is the number of places.
func (s Requests) profile(places int) profile {
	p := profile{make([]float64, places), make([]float64, places), make([]float64, places), make([]float64, places)}
	if s.total == 0 {
		return p
	}
	for i, r := range s.requests {
		w := s.weights[i] / s.total
		for _, c := range r.costs {
			p.time[c.place] += w * c.time.Seconds()
			p.n[c.place] += w * float64(c.n)
			p.all[c.place] += w * c.all.Seconds()
			p.spans[c.place] += w * float64(c.spans)
		}
	}
	return p
}

// suspectOf returns the suspect to which a place belongs. A dependency that sends spans
// in other traces is a hop whose span is missing in this one.
func (s *Sample) suspectOf(p place) suspect {
	if p.kind == result.KindDependency && s.known[p.target] && p.target != p.hop {
		return suspect{hop: p.target, kind: result.KindSelf}
	}
	return suspect{p.hop, p.kind, p.target}
}

// split splits the growth of the mean from base to now by suspect. The growth of all
// suspects adds up to that of the mean.
func (s *Sample) split(base, now Requests, minShare float64) []result.Finding {
	out := s.shares(base, now, minShare)
	for i := range out {
		f := &out[i]
		var places []int
		for j, p := range s.places {
			if s.suspectOf(p) == (suspect{f.Hop, f.Kind, f.Target}) {
				places = append(places, j)
			}
		}
		f.Interval = s.interval(base, now, places)
		f.CounterfactualMS = stats.Round(now.mean(seconds)*1000 - f.AddedMS)
	}
	return out
}

// shares returns the findings of split without intervals and counterfactuals. A share is
// growth over growth: there are none if the mean fell, and none of a suspect that fell.
func (s *Sample) shares(base, now Requests, minShare float64) []result.Finding {
	added := now.mean(seconds) - base.mean(seconds)
	if !(added > 0) {
		return nil
	}
	before, after := base.profile(len(s.places)), now.profile(len(s.places))
	groups := map[suspect][]int{}
	for i, p := range s.places {
		if before.n[i]+after.n[i] > 0 {
			k := s.suspectOf(p)
			groups[k] = append(groups[k], i)
		}
	}
	var out []result.Finding
	for k, places := range groups {
		f := result.Finding{Hop: k.hop, Kind: k.kind, Target: k.target, Attributes: []result.Attribute{}, Exemplars: []string{}}
		was, is := 0.0, 0.0
		for _, i := range places {
			was, is = was+before.time[i], is+after.time[i]
		}
		f.BaselineMS, f.NowMS, f.AddedMS = stats.Round(was*1000), stats.Round(is*1000), stats.Round((is-was)*1000)
		if f.Share = stats.Round((is - was) / added); f.AddedMS <= 0 || f.Share < minShare {
			continue
		}
		operations := map[string]float64{}
		for _, i := range places {
			operations[s.places[i].operation] += (after.time[i] - before.time[i]) * 1000
		}
		for _, op := range slices.SortedFunc(maps.Keys(operations), func(x, y string) int {
			return cmp.Or(cmp.Compare(operations[y], operations[x]), cmp.Compare(x, y))
		}) {
			f.Operations = append(f.Operations, result.Part{Operation: op, AddedMS: stats.Round(operations[op])})
		}
		f.Operation = f.Operations[0].Operation
		if len(f.Operations) == 1 || k.kind == result.KindLink {
			f.Operations = nil
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(x, y result.Finding) int {
		return cmp.Or(cmp.Compare(y.AddedMS, x.AddedMS), cmp.Compare(x.Hop, y.Hop), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Target, y.Target))
	})
	return out
}

// interval returns the 90 % bootstrap interval of the share of places, resampling
// requests.
func (s *Sample) interval(base, now Requests, places []int) [2]float64 {
	wanted := make([]bool, len(s.places))
	for _, i := range places {
		wanted[i] = true
	}
	type point struct{ weight, cost, took float64 }
	points := func(of Requests) []point {
		out := make([]point, len(of.requests))
		for i, r := range of.requests {
			out[i] = point{weight: of.weights[i], took: of.weights[i] * r.took.Seconds()}
			for _, c := range r.costs {
				if wanted[c.place] {
					out[i].cost += of.weights[i] * c.time.Seconds()
				}
			}
		}
		return out
	}
	draw := func(rng *rand.Rand, of []point) (cost, took float64) {
		var sum point
		for range of {
			p := of[rng.IntN(len(of))]
			sum.weight, sum.cost, sum.took = sum.weight+p.weight, sum.cost+p.cost, sum.took+p.took
		}
		return sum.cost / sum.weight, sum.took / sum.weight
	}
	x, y := points(base), points(now)
	return stats.Bootstrap(func(rng *rand.Rand) (float64, bool) {
		p0, t0 := draw(rng, x)
		p1, t1 := draw(rng, y)
		return (p1 - p0) / (t1 - t0), t1 > t0
	})
}
