package diagnose

import (
	"math"
	"slices"
	"time"
)

// unit is what takes time: an operation by the operation that called it, or a
// link, which is a span whose child belongs to another service.
type unit struct{ service, operation, parent, callee string }

// addTimes keeps the own time of each unit: its duration minus the union of its
// children's.
func (p *Profile) addTimes(t Trace, parent []int) {
	callee := make([]string, len(t.Spans))
	for i, s := range t.Spans {
		if par := parent[i]; par >= 0 && t.Spans[par].Service != s.Service && callee[par] == "" {
			callee[par] = s.Service
		}
	}
	for i, self := range SelfTimes(t) {
		s := t.Spans[i]
		u := unit{service: s.Service, operation: s.Operation, callee: callee[i]}
		if par := parent[i]; par >= 0 && u.callee == "" {
			u.parent = t.Spans[par].Operation
		}
		p.times[u] = append(p.times[u], float64(self)/float64(time.Millisecond))
	}
}

// latency returns each service's unit that grew most and most surely. When most
// links of a caller grew together, the caller is slow, not each of those it
// calls; else a slow link is held against the called.
func latency(base, now *Profile) map[string]Suspect {
	best := map[string]Suspect{}
	put := func(s Suspect) {
		if s.Score > best[s.Service].Score {
			best[s.Service] = s
		}
	}
	type link struct{ caller, callee string }
	links, callees := map[link]Suspect{}, map[string]map[string]bool{}
	for u := range now.times {
		if u.callee != "" {
			if callees[u.service] == nil {
				callees[u.service] = map[string]bool{}
			}
			callees[u.service][u.callee] = true
		}
		w := weight(base.times[u], now.times[u], now.traces)
		if w <= 0 {
			continue
		}
		if u.callee == "" {
			put(Suspect{Service: u.service, Operation: u.operation, Kind: KindSelf, Score: w})
			continue
		}
		l := link{u.service, u.callee}
		if w > links[l].Score {
			links[l] = Suspect{Operation: u.operation, Kind: KindLink, Score: w}
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
		if s.Service = l.callee; others > 0 && 2*slow >= others {
			s.Service = l.caller
			s.Score *= 1.01 // before a callee that is as slow
		}
		put(s)
	}
	return best
}

// weight returns how much a unit's time grew and how surely, or 0.
func weight(base, now []float64, traces int) float64 {
	if len(base) < minSpans || len(now) < minSpans || traces == 0 {
		return 0
	}
	a, b := slices.Sorted(slices.Values(base)), slices.Sorted(slices.Values(now))
	ma, va := meanVar(a)
	mb, vb := meanVar(b)
	// The small constants keep a unit that hardly takes time from being sure.
	if (mb-ma)/(math.Sqrt(va/float64(len(a))+vb/float64(len(b)))+.05) < minT {
		return 0
	}
	growth := winsorised(b) - winsorised(a)
	if growth <= 0 {
		return 0
	}
	median := a[len(a)/2]
	dev := make([]float64, len(a))
	for i, x := range a {
		dev[i] = math.Abs(x - median)
	}
	slices.Sort(dev)
	z := math.Max((b[len(b)/2]-median)/(1.4826*dev[len(dev)/2]+.05*median+.3), 0)
	return math.Sqrt(growth*float64(len(b))/float64(traces)) * math.Log1p(z)
}

func meanVar(v []float64) (mean, variance float64) {
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		variance += (x - mean) * (x - mean) / float64(len(v))
	}
	return mean, variance
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
