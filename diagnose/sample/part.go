package sample

import (
	"cmp"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/trace"
)

// suspect is what a finding names.
type suspect struct{ hop, kind, target string }

// part is what time of a request is spent on: a hop's own work, a dependency that
// is no hop, or the link between two hops.
type part struct{ hop, operation, kind, target string }

// cost is the time that a request's answer waited for a part, in n spans.
type cost struct {
	part part
	time time.Duration
	n    int
}

// measurer finds what the answers of requests waited for. It keeps its memory from
// one trace to the next.
type measurer struct {
	tree   trace.Tree
	trace  *trace.Trace
	shares []trace.Share
	costs  []cost
	at     map[part]int
}

func newMeasurer() *measurer { return &measurer{at: map[part]int{}} }

// load reads a trace and returns its entry's span, or trace.None.
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

// path returns what the answer of a span waited for, on its critical path: every
// moment of its duration is one part's. The result holds until the next call.
func (m *measurer) path(i int) []cost {
	m.costs = m.costs[:0]
	clear(m.at)
	m.shares = m.tree.AppendShares(m.shares[:0], i)
	for _, s := range m.shares {
		p := m.partOf(s.Span)
		k, ok := m.at[p]
		if !ok {
			k = len(m.costs)
			m.at[p] = k
			m.costs = append(m.costs, cost{part: p})
		}
		m.costs[k].time += s.Time
		m.costs[k].n++
	}
	return m.costs
}

// partOf returns the part that a span's own time counts for: a call's is the link
// to its callee, or the dependency's where the callee has no spans.
func (m *measurer) partOf(i int) part {
	s := &m.trace.Spans[i]
	operation := m.trace.Spans[m.tree.Hop(i)].Operation
	if !s.Kind.Calls() {
		return part{s.Service, operation, result.KindSelf, ""}
	}
	if c := m.tree.Callee(i); c != trace.None {
		callee := &m.trace.Spans[c]
		if callee.Kind.Calls() {
			// The callee calls on, but its own span is lost.
			return part{callee.Service, s.Operation, result.KindSelf, ""}
		}
		return part{callee.Service, callee.Operation, result.KindLink, s.Service}
	}
	return part{s.Service, operation, result.KindDependency, cmp.Or(s.Peer(), strings.TrimSpace(s.Operation))}
}
