package diagnose

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
)

// sample is requests of one entry with their weight: how many each stands for.
type sample struct {
	requests []request
	weights  []float64
	total    float64
}

func (s *sample) add(r request, weight float64) {
	s.requests = append(s.requests, r)
	s.weights = append(s.weights, weight)
	s.total += weight
}

// mean is the weighted mean of what f says of a request.
func (s sample) mean(f func(request) float64) float64 {
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

// profile is the mean time, in seconds, and the mean number of pieces of each
// part of a sample's requests.
type profile struct{ time, n []float64 }

func (s sample) profile(parts int) profile {
	p := profile{make([]float64, parts), make([]float64, parts)}
	if s.total == 0 {
		return p
	}
	for i, r := range s.requests {
		w := s.weights[i] / s.total
		for _, c := range r.costs {
			p.time[c.part] += w * c.time.Seconds()
			p.n[c.part] += w * float64(c.n)
		}
	}
	return p
}

// suspectOf is whose time a part is. A dependency that has spans of its own
// elsewhere is a hop whose span is missing here.
func (b *Book) suspectOf(p part) key {
	if p.kind == KindDependency && b.known[p.target] && p.target != p.hop {
		return key{hop: p.target, kind: KindSelf}
	}
	return key{p.hop, p.kind, p.target}
}

// split compares two samples of an entry's requests part by part. Every moment
// of a request is one part's, so the growth of all parts adds up to the mean's.
func (b *Book) split(base, now sample, opt Options) []Finding {
	out := b.shares(base, now, opt.MinShare)
	for i := range out {
		f := &out[i]
		var parts []int
		for j, p := range b.parts {
			if b.suspectOf(p) == (key{f.Hop, f.Kind, f.Target}) {
				parts = append(parts, j)
			}
		}
		f.Interval = b.interval(base, now, parts)
		f.CounterfactualMS = round(now.mean(seconds)*1000 - f.AddedMS)
	}
	return out
}

// shares is the split without how sure it is.
func (b *Book) shares(base, now sample, least float64) []Finding {
	added := now.mean(seconds) - base.mean(seconds)
	before, after := base.profile(len(b.parts)), now.profile(len(b.parts))
	groups := map[key][]int{}
	for i, p := range b.parts {
		if before.n[i]+after.n[i] > 0 {
			k := b.suspectOf(p)
			groups[k] = append(groups[k], i)
		}
	}
	var out []Finding
	for k, parts := range groups {
		f := Finding{Hop: k.hop, Kind: k.kind, Target: k.target, Attributes: []Attribute{}, Exemplars: []string{}}
		was, is := 0.0, 0.0
		for _, i := range parts {
			was, is = was+before.time[i], is+after.time[i]
		}
		f.BaselineMS, f.NowMS, f.AddedMS = round(was*1000), round(is*1000), round((is-was)*1000)
		if f.Share = round((is - was) / added); f.Share < least {
			continue
		}
		operations := map[string]float64{}
		for _, i := range parts {
			operations[b.parts[i].operation] += (after.time[i] - before.time[i]) * 1000
		}
		for _, op := range slices.SortedFunc(maps.Keys(operations), func(x, y string) int {
			return cmp.Or(cmp.Compare(operations[y], operations[x]), cmp.Compare(x, y))
		}) {
			f.Operations = append(f.Operations, Part{op, round(operations[op])})
		}
		f.Operation = f.Operations[0].Operation
		if len(f.Operations) == 1 || k.kind == KindLink {
			f.Operations = nil
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(x, y Finding) int {
		return cmp.Or(cmp.Compare(y.AddedMS, x.AddedMS), cmp.Compare(x.Hop, y.Hop), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Target, y.Target))
	})
	return out
}

// interval is the 90 % percentile bootstrap of a share, over requests.
func (b *Book) interval(base, now sample, parts []int) [2]float64 {
	const draws = 200
	rng := rand.New(rand.NewPCG(1, 2))
	wanted := make([]bool, len(b.parts))
	for _, i := range parts {
		wanted[i] = true
	}
	type point struct{ weight, part, took float64 }
	points := func(s sample) []point {
		out := make([]point, len(s.requests))
		for i, r := range s.requests {
			out[i] = point{weight: s.weights[i], took: s.weights[i] * r.took.Seconds()}
			for _, c := range r.costs {
				if wanted[c.part] {
					out[i].part += s.weights[i] * c.time.Seconds()
				}
			}
		}
		return out
	}
	draw := func(of []point) (part, took float64) {
		var sum point
		for range of {
			p := of[rng.IntN(len(of))]
			sum.weight, sum.part, sum.took = sum.weight+p.weight, sum.part+p.part, sum.took+p.took
		}
		return sum.part / sum.weight, sum.took / sum.weight
	}
	x, y := points(base), points(now)
	shares := make([]float64, 0, draws)
	for range draws {
		p0, t0 := draw(x)
		p1, t1 := draw(y)
		if t1 > t0 {
			shares = append(shares, (p1-p0)/(t1-t0))
		}
	}
	return interval90(shares)
}

// interval90 is the range that holds the middle 90 % of values.
func interval90(v []float64) [2]float64 {
	if len(v) == 0 {
		return [2]float64{}
	}
	slices.Sort(v)
	return [2]float64{round(v[len(v)*5/100]), round(v[len(v)*95/100])}
}
