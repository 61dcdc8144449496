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

// cost is the time of a place in a request: time on the critical path, in n spans, and
// all self time, on the path or beside it, in spans spans.
type cost struct {
	place     place
	time, all time.Duration
	n, spans  int
}

// measurer computes the costs of requests. It reuses its memory between traces.
type measurer struct {
	tree   trace.Tree
	trace  *trace.Trace
	shares []trace.Share
	costs  []cost
	at     map[place]int
	todo   []int // spans to visit
	fans   fanMeasurer
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

// path returns the costs of a span and of all spans that it waited for. Their times on
// the critical path add up to the span's duration. The slice is valid until the next
// call.
func (m *measurer) path(i int) []cost {
	m.costs = m.costs[:0]
	clear(m.at)
	m.shares = m.tree.AppendShares(m.shares[:0], i)
	for _, s := range m.shares {
		c := m.costOf(s.Span)
		c.time += s.Time
		c.n++
	}
	for m.todo = append(m.todo[:0], i); len(m.todo) > 0; {
		i := m.todo[len(m.todo)-1]
		m.todo = m.todo[:len(m.todo)-1]
		c := m.costOf(i)
		c.all += m.tree.Self(i)
		c.spans++
		m.todo = m.waitedFor(m.todo, i)
	}
	return m.costs
}

// costOf returns the cost of the place of a span.
func (m *measurer) costOf(span int) *cost {
	p := m.placeOf(span)
	k, ok := m.at[p]
	if !ok {
		k = len(m.costs)
		m.at[p] = k
		m.costs = append(m.costs, cost{place: p})
	}
	return &m.costs[k]
}

// waitedFor appends the children of a span that are not asynchronous.
func (m *measurer) waitedFor(dst []int, i int) []int {
	for _, c := range m.tree.Children(i) {
		if !m.tree.Async(c) {
			dst = append(dst, c)
		}
	}
	return dst
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
