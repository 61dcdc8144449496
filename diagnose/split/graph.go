package split

import (
	"maps"
	"math"
	"slices"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// graph splits the added time of an entry by evidence.Metrics.Nodes, whose calls are not
// told apart by entry. All contributions come from growth of means: the growth of the
// mean duration of a group of calls times their number now. So neither the traffic of
// another entry nor another mix of operations is growth. More calls per request count
// as self time of the service that makes them.
type graph struct {
	m     evidence.Metrics
	c     evidence.Change
	nodes map[string]*evidence.NodeSeries
	reach map[string]bool // services that the entry's requests reach
}

func graphContributions(m evidence.Metrics, c evidence.Change) []contribution {
	g := graph{m: m, c: c, nodes: map[string]*evidence.NodeSeries{}}
	for _, n := range m.Nodes {
		g.nodes[n.Service] = &n
	}
	g.identify()
	g.reach = g.from(c.Entry.Service)
	b := builder{found: map[key]*contribution{}}
	for _, service := range slices.Sorted(maps.Keys(g.reach)) {
		g.node(&b, service)
	}
	g.linkGaps(&b)
	var out []contribution
	for _, k := range slices.SortedFunc(maps.Keys(b.found), compareKeys) {
		out = append(out, g.apportioned(*b.found[k]))
	}
	return out
}

// edges returns the calls to other services or stores, by target.
func edges(n *evidence.NodeSeries) []evidence.TimedCalls {
	if n.Edges == nil {
		return n.Made
	}
	return n.Edges
}

// from returns the services that requests to a service reach.
func (g graph) from(service string) map[string]bool {
	reach := map[string]bool{service: true}
	for next := []string{service}; len(next) > 0; next = next[1:] {
		n := g.nodes[next[0]]
		if n == nil {
			continue
		}
		for _, e := range edges(n) {
			if e.Known && !reach[e.Target] {
				reach[e.Target] = true
				next = append(next, e.Target)
			}
		}
	}
	return reach
}

// node adds the contributions of a service.
func (g graph) node(b *builder, service string) {
	n := g.nodes[service]
	if n == nil {
		return
	}
	self := key{hop: service, kind: result.KindSelf}
	b.add(self, "", nil)
	for _, s := range n.Served {
		b.add(self, s.Operation, g.grown(s))
	}
	for _, w := range n.Made {
		b.add(self, "", minus(g.grown(w)))
	}
	if len(n.Made) == 0 {
		for _, w := range n.Edges {
			b.add(self, "", minus(g.grown(w)))
		}
	}
	if len(n.Made) > 0 {
		// The operations' growth includes that of the calls made.
		b.found[self].byOperation = g.busiest(n)
	}
	for _, e := range edges(n) {
		k := key{hop: service, kind: result.KindDependency, target: e.Target}
		if e.Known {
			k = key{hop: e.Target, kind: result.KindLink, target: service}
		}
		b.add(k, e.Operation, g.grown(e))
	}
	if n.Edges != nil && len(n.Made) > 0 {
		rest := key{hop: service, kind: result.KindDependency, target: "other calls"}
		for _, w := range n.Made {
			b.add(rest, w.Operation, g.grown(w))
		}
		for _, e := range n.Edges {
			b.add(rest, "", minus(g.grown(e)))
		}
	}
}

// busiest returns the operation of a service whose duration grew most.
func (g graph) busiest(n *evidence.NodeSeries) map[string][]float64 {
	best, most := "", math.Inf(-1)
	var series []float64
	for _, s := range n.Served {
		v := g.grown(s)
		if base, now := g.c.PerRequest(v); now-base > most {
			best, most, series = s.Operation, now-base, v
		}
	}
	return map[string][]float64{best: series}
}

// grown returns the time of calls such that its growth per request of the entry is that
// of their mean, times their number per request now. Calls that there were none of
// before have not grown.
func (g graph) grown(calls evidence.TimedCalls) []float64 {
	out := make([]float64, g.m.Steps)
	before, now := g.c.Baseline.Sum(calls.Count), g.c.Now.Sum(calls.Count)
	if before <= 0 || now <= 0 {
		return out
	}
	requests := g.c.Baseline.Sum(g.c.Entry.Count) / g.c.Now.Sum(g.c.Entry.Count)
	for _, i := range g.c.Baseline {
		out[i] = at(calls.Sum, i) * now / before * requests
	}
	for _, i := range g.c.Now {
		out[i] = at(calls.Sum, i)
	}
	return out
}

func at(v []float64, i int) float64 {
	if i < len(v) {
		return v[i]
	}
	return 0
}

func minus(v []float64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = -x
	}
	return out
}

// linkGaps subtracts from the waits for a service its duration, as builder.linkGaps
// does. Callers that the entry does not reach wait, too.
func (g graph) linkGaps(b *builder) {
	for _, callee := range slices.Sorted(maps.Keys(g.reach)) {
		n := g.nodes[callee]
		if n == nil {
			continue
		}
		var took, all []float64
		for _, s := range n.Served {
			took = evidence.Plus(took, g.grown(s))
		}
		for _, caller := range g.nodes {
			for _, e := range edges(caller) {
				if e.Known && e.Target == callee {
					all = evidence.Plus(all, g.grown(e))
				}
			}
		}
		for k, s := range b.found {
			if k.kind != result.KindLink || k.hop != callee {
				continue
			}
			for _, w := range []evidence.Window{g.c.Baseline, g.c.Now} {
				total := w.Sum(all)
				if total <= 0 {
					continue
				}
				ratio := w.Sum(s.series) / total
				for _, i := range w {
					s.series[i] -= took[i] * ratio
				}
			}
			s.byOperation = map[string][]float64{}
		}
	}
}

// apportioned returns the part of a contribution that the entry has among the slower
// entries that reach the same service.
func (g graph) apportioned(s contribution) contribution {
	service := s.hop
	if s.kind == result.KindLink {
		service = s.target
	}
	all := 0.0
	for _, e := range g.m.Entries {
		reached := g.from(e.Service)
		switch own := g.c.Entry.Service; {
		case e.Service == own && e.Operation == g.c.Entry.Operation, !reached[service]:
			continue
		case e.Service != own && (g.reach[e.Service] || reached[own]):
			continue // the same requests, seen at another service
		}
		before, now := g.c.Baseline.Mean(e.Sum, e.Count), g.c.Now.Mean(e.Sum, e.Count)
		all += math.Max(now-before, 0) * g.c.Now.Sum(e.Count)
	}
	own := g.c.Added() * g.c.Now.Sum(g.c.Entry.Count)
	if own <= 0 || all <= 0 {
		return s
	}
	part := own / (own + all)
	for i := range s.series {
		s.series[i] *= part
	}
	for _, v := range s.byOperation {
		for i := range v {
			v[i] *= part
		}
	}
	return s
}
