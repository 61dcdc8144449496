package compare

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/stats"
	"github.com/tenhop/tenhop/trace"
)

// unit is what takes time: an operation by the operation that called it, or a
// link, which is a span whose child belongs to another service.
type unit struct{ service, operation, parent, callee string }

// spent is the own time of a unit: the mean of its spans in each trace that has
// any, in milliseconds; of many traces, a uniform sample (Vitter 1985, R).
type spent struct {
	values        []float64
	traces, spans int
	trace, n      int // the trace at hand and its spans so far
	mean          float64
	rng           rand.PCG
}

// addTimes keeps the self time of each unit.
func (p *Profile) addTimes(t trace.Trace, parent []int) {
	callee := make([]string, len(t.Spans))
	for i, s := range t.Spans {
		if par := parent[i]; par >= 0 && t.Spans[par].Service != s.Service && callee[par] == "" {
			callee[par] = s.Service
		}
	}
	p.tree.Load(&t)
	for _, i := range p.tree.Order() {
		s := &t.Spans[i]
		u := unit{service: s.Service, operation: s.Operation, callee: callee[i]}
		if par := parent[i]; par >= 0 && u.callee == "" {
			u.parent = t.Spans[par].Operation
		}
		at := p.times[u]
		if at == nil {
			at = &spent{}
			p.times[u] = at
		}
		at.add(p.traces, float64(p.tree.Self(i))/float64(time.Millisecond))
	}
}

func (s *spent) add(trace int, ms float64) {
	if s.trace != trace {
		s.flush()
		s.trace = trace
	}
	s.spans++
	s.n++
	s.mean += (ms - s.mean) / float64(s.n)
}

// flush takes the trace at hand into the sample.
func (s *spent) flush() {
	if s.n == 0 {
		return
	}
	s.traces++
	if len(s.values) < maxSamples {
		s.values = append(s.values, s.mean)
	} else if i := rand.New(&s.rng).IntN(s.traces); i < maxSamples {
		s.values[i] = s.mean
	}
	s.n, s.mean = 0, 0
}

// latency returns each service's unit that grew most and most surely. When most
// links of a caller grew together, the caller is slow, not each of those it
// calls; else a slow link is held against the called.
func latency(base, now *Profile) map[string]Suspect {
	type link struct{ caller, callee string }
	best, links, callees := map[string]Suspect{}, map[link]Suspect{}, map[string]map[string]bool{}
	for _, p := range []*Profile{base, now} {
		for _, s := range p.times {
			s.flush()
		}
	}
	var least []float64
	for u, b := range now.times {
		if a := base.times[u]; a != nil {
			n, m := len(a.values), len(b.values)
			least = append(least, 2*math.Exp(-stats.LogChoose(n+m, m))) // all of now above all before
		}
	}
	tests := stats.CountTests(least, maxP)
	for u, b := range now.times {
		if u.callee != "" {
			if callees[u.service] == nil {
				callees[u.service] = map[string]bool{}
			}
			callees[u.service][u.callee] = true
		}
		a := base.times[u]
		if a == nil {
			continue
		}
		w := weight(a, b, now.traces)
		if w <= 0 {
			continue
		}
		s := Suspect{Service: u.service, Operation: u.operation, Kind: Self, Score: w, P: worse(a.values, b.values) * tests}
		s.Evidence = fmt.Sprintf("median %.1f ms in %d traces, now %.1f ms in %d", middle(a.values), a.traces, middle(b.values), b.traces)
		if u.callee == "" {
			put(best, u.service, s)
		} else {
			s.Kind = Link
			put(links, link{u.service, u.callee}, s)
		}
	}
	for l, s := range links {
		others, slow := 0, 0
		for callee := range callees[l.caller] {
			if callee != l.callee {
				others++
				if links[link{l.caller, callee}].Score > sharedGap*s.Score {
					slow++
				}
			}
		}
		if s.Service, s.Target = l.callee, l.caller; others > 0 && 2*slow >= others {
			s.Service, s.Target = l.caller, l.callee
			s.Score *= 1.01 // before a callee that is as slow
		}
		put(best, s.Service, s)
	}
	return best
}

// weight is how much a unit's time grew: √(growth of the mean, winsorised at the
// 90th percentile, times its spans a trace) × log(1 + robust z of the median).
// It is 0 where the growth may be chance.
func weight(base, now *spent, traces int) float64 {
	if stats.MannWhitney(base.values, now.values) > maxChance {
		return 0
	}
	a, b := slices.Sorted(slices.Values(base.values)), slices.Sorted(slices.Values(now.values))
	growth := winsorised(b) - winsorised(a)
	if growth <= 0 {
		return 0
	}
	mid := a[len(a)/2]
	dev := make([]float64, len(a))
	for i, x := range a {
		dev[i] = math.Abs(x - mid)
	}
	slices.Sort(dev)
	// The small constants keep a unit that hardly takes time from being sure.
	z := math.Max((b[len(b)/2]-mid)/(1.4826*dev[len(dev)/2]+.05*mid+.3), 0)
	return math.Sqrt(growth*float64(now.spans)/float64(traces)) * math.Log1p(z)
}

// worse returns the p that a unit takes no longer than a quarter and half a
// millisecond more than before: the smaller of two, doubled, one by ranks and
// one by the share of slow traces, those over the 90th percentile of before.
func worse(base, now []float64) float64 {
	padded := slices.Sorted(slices.Values(base))
	for i, v := range padded {
		padded[i] = v*marginRatio + marginMS
	}
	limit := padded[int(.9*float64(len(padded)-1))]
	above := func(v []float64) (n int) {
		for _, x := range v {
			if x > limit {
				n++
			}
		}
		return n
	}
	slow := stats.Fisher(above(now), len(now), above(base), len(base))
	return min(1, 2*min(stats.MannWhitney(padded, now), slow))
}

// winsorised is the mean with everything above the 90th percentile set to it.
func winsorised(sorted []float64) float64 {
	q := sorted[int(.9*float64(len(sorted)-1))]
	mean := 0.0
	for _, x := range sorted {
		mean += math.Min(x, q) / float64(len(sorted))
	}
	return mean
}

func middle(v []float64) float64 { return slices.Sorted(slices.Values(v))[len(v)/2] }
