package diagnose

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
)

// Suspect is a service that CompareTraces holds responsible.
type Suspect struct {
	Service   string
	Operation string // where it shows
	Kind      string // KindSelf, KindLink or "calls"
	Score     float64
}

// KindCalls is a change of what an operation calls.
const KindCalls = "calls"

// Thresholds of CompareTraces. How much the ranking of the recorded incidents
// depends on each is in docs/diagnosis.md.
const (
	minSpans    = 3    // of a unit on each side, to compare its times
	minParents  = 8    // of an operation on each side, to compare its calls
	minT        = 2.0  // Welch's t of a unit's growth
	minCallZ    = 4.0  // of a change in how often an operation makes a call
	minCallDiff = 0.1  // and its size, as a share of the operation's spans
	sharedGap   = 0.2  // a caller's other links count as slow from this part on
	callsWeight = 10.0 // of a change of calls against a change of time
)

// CompareTraces ranks services by how much worse the traces in now are than
// those in base. It needs nothing but spans: no status, kind or attribute.
//
// A unit is what takes time: an operation by the operation that called it, its
// own time being its duration minus the union of its children's; or a link,
// which is the own time of a span whose child belongs to another service. A
// unit's weight is √(growth of its mean time, winsorised at the 90th
// percentile, times its spans a trace) × log(1 + robust z of its median).
// When most links of a caller grew together, the caller is slow, not each of
// those it calls. Changes in which calls an operation makes count beside it.
func CompareTraces(base, now []Trace) []Suspect {
	b, n := measure(base), measure(now)
	best := map[string]Suspect{}
	put := func(s Suspect) {
		if s.Score > best[s.Service].Score {
			best[s.Service] = s
		}
	}
	type link struct{ caller, callee string }
	links, callees := map[link]Suspect{}, map[string]map[string]bool{}
	for u := range n.times {
		if u.callee != "" {
			if callees[u.service] == nil {
				callees[u.service] = map[string]bool{}
			}
			callees[u.service][u.callee] = true
		}
		w := weight(b.times[u], n.times[u], n.traces)
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
	for service, s := range calls(b, n) {
		if have, ok := best[service]; ok && have.Score > 0 {
			have.Score += s.Score
			best[service] = have
		} else {
			best[service] = s
		}
	}
	out := make([]Suspect, 0, len(best))
	for _, s := range best {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Suspect) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(a.Service, b.Service))
	})
	return out
}

type unit struct{ service, operation, parent, callee string }

type call struct{ service, operation, calleeService, callee string }

type measured struct {
	times   map[unit][]float64 // milliseconds
	parents map[[2]string]int  // spans of an operation
	calls   map[call]int       // spans of an operation with such a child
	traces  int
}

func measure(traces []Trace) measured {
	m := measured{times: map[unit][]float64{}, parents: map[[2]string]int{}, calls: map[call]int{}, traces: len(traces)}
	for _, t := range traces {
		self := SelfTimes(t)
		index := make(map[string]int, len(t.Spans))
		for i, s := range t.Spans {
			index[s.ID] = i
		}
		callee := make([]string, len(t.Spans))
		seen := map[string]map[call]bool{}
		for i, s := range t.Spans {
			p, ok := index[s.Parent]
			if !ok || s.Parent == "" || p == i {
				continue
			}
			parent := t.Spans[p]
			if parent.Service != s.Service && callee[p] == "" {
				callee[p] = s.Service
			}
			c := call{parent.Service, parent.Operation, s.Service, s.Operation}
			if seen[parent.ID] == nil {
				seen[parent.ID] = map[call]bool{}
			}
			if !seen[parent.ID][c] {
				seen[parent.ID][c] = true
				m.calls[c]++
			}
		}
		for i, s := range t.Spans {
			u := unit{service: s.Service, operation: s.Operation, callee: callee[i]}
			if p, ok := index[s.Parent]; ok && u.callee == "" && p != i {
				u.parent = t.Spans[p].Operation
			}
			m.times[u] = append(m.times[u], float64(self[i])/float64(time.Millisecond))
			m.parents[[2]string{s.Service, s.Operation}]++
		}
	}
	return m
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

// calls finds operations that make a call more or less often than before, by
// the test of two proportions.
func calls(b, n measured) map[string]Suspect {
	all := map[call]bool{}
	for c := range b.calls {
		all[c] = true
	}
	for c := range n.calls {
		all[c] = true
	}
	best := map[string]Suspect{}
	for c := range all {
		op := [2]string{c.service, c.operation}
		nb, nn := float64(b.parents[op]), float64(n.parents[op])
		if nb < minParents || nn < minParents {
			continue
		}
		x, y := float64(b.calls[c]), float64(n.calls[c])
		pooled := (x + y) / (nb + nn)
		d := math.Abs(x/nb - y/nn)
		z := d / math.Sqrt(math.Max(pooled*(1-pooled), 1e-9)*(1/nb+1/nn))
		if z <= minCallZ || d <= minCallDiff {
			continue
		}
		if s := callsWeight * d * math.Log1p(z); s > best[c.service].Score {
			best[c.service] = Suspect{Service: c.service, Operation: c.operation, Kind: KindCalls, Score: s}
		}
	}
	return best
}
