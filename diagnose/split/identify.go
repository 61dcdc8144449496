package split

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/tenhop/tenhop/diagnose/evidence"
)

// peer holds the calls to a target that is not the name of a service, such as an address.
type peer struct {
	name    string
	callers map[string]bool
	added   float64 // growth in seconds per request of the entry
}

// identify sets the targets of calls to addresses that must be services of the graph.
// Otherwise the growth of a slow service would also be that of a dependency. A service
// without a known caller is behind an address if the calls to it grew by at least half as
// much as what is left of the growth of the service, or the reverse.
func (g graph) identify() {
	left := g.orphans()
	for _, p := range g.peers() {
		best, distance := "", math.Inf(1)
		for _, service := range slices.Sorted(maps.Keys(left)) {
			d := math.Abs(math.Log(left[service] / p.added))
			if !p.callers[service] && left[service] >= p.added/2 && d < distance {
				best, distance = service, d
			}
		}
		if best == "" {
			continue
		}
		left[best] -= p.added
		for caller := range p.callers {
			n := g.nodes[caller]
			n.Made, n.Edges = renamed(n.Made, p.name, best), renamed(n.Edges, p.name, best)
		}
	}
}

// peers returns the targets that are not known and whose calls grew, most first.
func (g graph) peers() []peer {
	found := map[string]*peer{}
	for service, n := range g.nodes {
		for _, e := range edges(n) {
			if e.Known || e.Store {
				continue
			}
			p := found[e.Target]
			if p == nil {
				p = &peer{name: e.Target, callers: map[string]bool{}}
				found[e.Target] = p
			}
			p.callers[service] = true
			p.added += added(g.c, g.grown(e))
		}
	}
	var out []peer
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if found[name].added > minAdded*g.c.Added() {
			out = append(out, *found[name])
		}
	}
	slices.SortStableFunc(out, func(a, b peer) int { return cmp.Compare(b.added, a.added) })
	return out
}

// minAdded is the least growth that identifies a peer, as a share of the entry's.
const minAdded = .03

// orphans returns the growth of the services, besides the entry's, that no service is
// known to call, as far as they grew.
func (g graph) orphans() map[string]float64 {
	called := map[string]bool{g.c.Entry.Service: true}
	for _, n := range g.nodes {
		for _, e := range edges(n) {
			called[e.Target] = true
		}
	}
	out := map[string]float64{}
	for service, n := range g.nodes {
		grew := 0.0
		for _, s := range n.Served {
			grew += added(g.c, g.grown(s))
		}
		if !called[service] && grew > 0 {
			out[service] = grew
		}
	}
	return out
}

// renamed returns calls with a target replaced by a service.
func renamed(calls []evidence.TimedCalls, target, service string) []evidence.TimedCalls {
	out := slices.Clone(calls)
	for i := range out {
		if out[i].Target == target && !out[i].Known {
			out[i].Target, out[i].Known = service, true
		}
	}
	return out
}
