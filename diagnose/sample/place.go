package sample

import (
	"cmp"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/trace"
)

// suspect identifies a hop with the kind and target of a finding.
type suspect struct{ hop, kind, target string }

// place identifies where a request spends time: an operation of a hop, a dependency
// that is not a hop, or the link between two hops.
type place struct{ hop, operation, kind, target string }

// cost is the time that a place has on a request's critical path, in n spans.
type cost struct {
	place place
	time  time.Duration
	n     int
}

// measurer computes the costs of requests. It reuses its memory between traces.
type measurer struct {
	tree   trace.Tree
	trace  *trace.Trace
	shares []trace.Share
	costs  []cost
	at     map[place]int
}

func newMeasurer() *measurer { return &measurer{at: map[place]int{}} }

// load loads a trace and returns the index of its entry's span, or trace.None.
func (m *measurer) load(t *trace.Trace) int {
	m.trace = t
	m.tree.Load(t)
	if m.tree.Root() == trace.None {
		return trace.None
	}
	return m.tree.Entry()
}

// took returns the duration of a span of the loaded trace.
func (m *measurer) took(i int) time.Duration { return m.tree.Took(i) }

// path returns the costs on the critical path of a span. They add up to the span's
// duration. The slice is valid until the next call.
func (m *measurer) path(i int) []cost {
	m.costs = m.costs[:0]
	clear(m.at)
	m.shares = m.tree.AppendShares(m.shares[:0], i)
	for _, s := range m.shares {
		p := m.placeOf(s.Span)
		k, ok := m.at[p]
		if !ok {
			k = len(m.costs)
			m.at[p] = k
			m.costs = append(m.costs, cost{place: p})
		}
		m.costs[k].time += s.Time
		m.costs[k].n++
	}
	return m.costs
}

// placeOf returns the place to which the self time of a span belongs. That of a client
// span belongs to the link to its callee, or to the dependency if the callee has no
// spans.
func (m *measurer) placeOf(i int) place {
	s := &m.trace.Spans[i]
	operation := m.trace.Spans[m.tree.Hop(i)].Operation
	if !s.Kind.Calls() {
		return place{s.Service, operation, result.KindSelf, ""}
	}
	if c := m.tree.Callee(i); c != trace.None {
		callee := &m.trace.Spans[c]
		if callee.Kind.Calls() {
			// The callee is a client span of another service, whose server span is lost.
			return place{callee.Service, s.Operation, result.KindSelf, ""}
		}
		return place{callee.Service, callee.Operation, result.KindLink, s.Service}
	}
	return place{s.Service, operation, result.KindDependency, cmp.Or(s.Peer(), strings.TrimSpace(s.Operation))}
}
