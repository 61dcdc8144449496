package sample

import (
	"maps"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/links"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/trace"
)

// gap is the time in which calls over a link were in flight and their callee did not
// run, in n calls. Unlike the costs of a place, it includes calls that are not on a
// critical path. It may be weighted.
type gap struct{ seconds, n float64 }

// linkCost is the gap of the calls of one request over a link.
type linkCost struct {
	link links.Link
	gap
}

// links returns the gaps of the loaded trace by link.
func (m *measurer) links() []linkCost {
	var out []linkCost
	at := map[links.Link]int{}
	for _, i := range m.tree.Order() {
		s := &m.trace.Spans[i]
		if !s.Kind.Calls() || m.tree.Async(i) {
			continue
		}
		c := m.tree.Callee(i)
		if c == trace.None || m.trace.Spans[c].Kind.Calls() || m.trace.Spans[c].Service == s.Service {
			continue
		}
		l := links.Link{Caller: s.Service, Callee: m.trace.Spans[c].Service}
		k, ok := at[l]
		if !ok {
			k = len(out)
			at[l] = k
			out = append(out, linkCost{link: l})
		}
		out[k].seconds += float64(m.tree.Self(i)) / float64(time.Second)
		out[k].n++
	}
	return out
}

// gapsDuring returns the gaps of the links in the requests of all entries.
func (s *Sample) gapsDuring(during func(step int64) bool) map[links.Link]gap {
	out := map[links.Link]gap{}
	// Sums of floating-point numbers depend on their order.
	for _, k := range slices.SortedFunc(maps.Keys(s.entries), compareEntries) {
		for _, at := range slices.Sorted(maps.Keys(s.entries[k])) {
			if !during(at) {
				continue
			}
			c := s.entries[k][at]
			for _, r := range c.kept {
				addGaps(out, r.links, float64(c.count)/float64(len(c.kept)))
			}
		}
	}
	return out
}

func addGaps(to map[links.Link]gap, from []linkCost, weight float64) {
	for _, l := range from {
		g := to[l.link]
		to[l.link] = gap{g.seconds + weight*l.seconds, g.n + weight*l.n}
	}
}

// gaps returns the gaps of the links by link.
func (s Requests) gaps() map[links.Link]gap {
	if s.links != nil {
		return s.links
	}
	out := map[links.Link]gap{}
	for i, r := range s.requests {
		addGaps(out, r.links, s.weights[i])
	}
	return out
}

// linkGrowth returns the growth of each link's gap from base to now, in milliseconds
// per call.
func linkGrowth(base, now Requests) map[links.Link]float64 {
	before, out := base.gaps(), map[links.Link]float64{}
	for l, is := range now.gaps() {
		if was := before[l]; was.n > 0 && is.n > 0 {
			out[l] = 1000 * (is.seconds/is.n - was.seconds/was.n)
		}
	}
	return out
}

// suspectIn returns the suspect of a finding. Package links may have exchanged the
// ends of a link.
func (s *Sample) suspectIn(f result.Finding) suspect {
	k := suspect{f.Hop, f.Kind, f.Target}
	if f.Kind != result.KindLink {
		return k
	}
	for _, p := range s.places {
		if s.suspectOf(p) == k {
			return k
		}
	}
	return suspect{f.Target, f.Kind, f.Hop}
}
