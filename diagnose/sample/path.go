package sample

import (
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/trace"
)

// suspect is what a finding names.
type suspect struct{ hop, kind, target string }

// part is what time of a request is spent on: a hop's own work, a dependency
// that is no hop, or the link between two.
type part struct{ hop, operation, kind, target string }

// cost is how long a request's answer waited for a part, in how many pieces.
type cost struct {
	part part
	time time.Duration
	n    int
}

// node is a span in its tree. Times are relative to the trace's first span.
type node struct {
	parent, child, next int32 // -1 for none; children are a list
	hop                 int32 // the span that stands for the hop: its operation is the hop's
	start, end          time.Duration
}

// walker finds what requests waited for. It keeps its memory from one trace to
// the next.
type walker struct {
	trace  trace.Trace
	nodes  []node
	index  map[string]int32
	order  []int32
	orphan []int32
	costs  []cost
	at     map[part]int
}

func newWalker() *walker {
	return &walker{index: map[string]int32{}, at: map[part]int{}}
}

const none = int32(-1)

// outlives is how much longer than its parent a span may last for clocks and
// rounding; beyond it, the parent did not wait for it.
const outlives = time.Millisecond

// maxOrphans bounds the search for where spans without a parent belong.
const maxOrphans = 64

// load puts a trace's spans into a tree and returns the entry's span, or none.
// Duplicates are left out; a span whose parent is missing is taken in by the
// shortest span that was running all the while; one that a clock of its own puts
// outside its caller is moved back; members of a cycle are left out.
func (w *walker) load(t trace.Trace) int32 {
	w.trace = t
	w.nodes, w.orphan = w.nodes[:0], w.orphan[:0]
	clear(w.index)
	if len(t.Spans) == 0 {
		return none
	}
	first := t.Spans[0].Start
	for i := range t.Spans {
		if t.Spans[i].Start.Before(first) {
			first = t.Spans[i].Start
		}
	}
	for i := range t.Spans {
		s := &t.Spans[i]
		from := s.Start.Sub(first)
		w.nodes = append(w.nodes, node{parent: none, child: none, next: none, hop: int32(i), start: from, end: from + max(s.Duration, 0)})
		if _, double := w.index[s.ID]; !double {
			w.index[s.ID] = int32(i)
		}
	}
	root := none
	for i := range t.Spans {
		s, me := &t.Spans[i], int32(i)
		if w.index[s.ID] != me {
			continue // a duplicate
		}
		if p, ok := w.index[s.Parent]; ok && s.Parent != "" && p != me {
			w.nodes[i].parent = p
			continue
		}
		w.orphan = append(w.orphan, me)
		if root == none || w.before(me, root) {
			root = me
		}
	}
	if root == none {
		return none // nothing but a cycle
	}
	if len(w.orphan) <= maxOrphans {
		for _, o := range w.orphan {
			if o != root && t.Spans[o].Parent != "" {
				w.nodes[o].parent = w.around(o)
			}
		}
	}
	// Children last first: each goes to the front of its parent's list.
	for i := len(w.nodes) - 1; i >= 0; i-- {
		if p := w.nodes[i].parent; p != none {
			w.nodes[i].next, w.nodes[p].child = w.nodes[p].child, int32(i)
		}
	}
	root = w.entry(root)
	w.settle(root, 0)
	return root
}

// before tells which of two topmost spans is the request's own.
func (w *walker) before(a, b int32) bool {
	x, y := w.trace.Spans[a].Parent == "", w.trace.Spans[b].Parent == ""
	if x != y {
		return x
	}
	p, q := w.nodes[a], w.nodes[b]
	if p.start != q.start {
		return p.start < q.start
	}
	return p.end > q.end
}

// entry is the first span that serves: what a shopper's own client measured is
// not the entry's.
func (w *walker) entry(root int32) int32 {
	if w.trace.Spans[root].Kind == trace.Client {
		for c := w.nodes[root].child; c != none; c = w.nodes[c].next {
			if w.trace.Spans[c].Kind == trace.Server {
				return c
			}
		}
	}
	return root
}

// around is the shortest span that contains another and does not descend from
// it; a span of its own clock may stick out a little.
func (w *walker) around(o int32) int32 {
	best := none
	for i := range w.nodes {
		n, me := w.nodes[i], int32(i)
		if me == o || w.index[w.trace.Spans[i].ID] != me || n.start > w.nodes[o].start || n.end < w.nodes[o].end {
			continue
		}
		if (best == none || n.end-n.start < w.nodes[best].end-w.nodes[best].start) && !w.below(me, o) {
			best = me
		}
	}
	return best
}

// below tells whether a span descends from another.
func (w *walker) below(i, top int32) bool {
	for range w.nodes {
		if i == top {
			return true
		}
		if i = w.nodes[i].parent; i == none {
			return false
		}
	}
	return true // a cycle
}

// settle moves what other clocks measured into the span that waited for it, as
// Jaeger's clock skew adjuster does: half the difference on each side.
func (w *walker) settle(i int32, shift time.Duration) {
	n := &w.nodes[i]
	n.start, n.end = n.start+shift, n.end+shift
	me := &w.trace.Spans[i]
	for c := n.child; c != none; c = w.nodes[c].next {
		k, s := &w.nodes[c], &w.trace.Spans[c]
		if s.Service == me.Service && s.Kind != trace.Server && s.Kind != trace.Consumer {
			k.hop = n.hop
			w.settle(c, shift)
			continue
		}
		moved := shift
		if from, to := k.start+shift, k.end+shift; s.Kind != trace.Consumer && (from < n.start || to > n.end) && to-from <= n.end-n.start {
			moved += n.start + (n.end-n.start-(to-from))/2 - from
		}
		w.settle(c, moved)
	}
}

// path returns what a request's answer waited for: the critical path (Yang and
// Miller 1988), walked back from the end of its entry along whatever ran last,
// so that every moment of the entry's duration is one part's. It holds until the
// next call.
func (w *walker) path(root int32) []cost {
	w.costs, w.order = w.costs[:0], w.order[:0]
	clear(w.at)
	w.walk(root, w.nodes[root].start, w.nodes[root].end)
	return w.costs
}

// walk charges the time from lower to upper to a span and its children.
func (w *walker) walk(i int32, lower, upper time.Duration) {
	n := w.nodes[i]
	me := &w.trace.Spans[i]
	from := len(w.order)
	for c := n.child; c != none; c = w.nodes[c].next {
		s := &w.trace.Spans[c]
		if s.Kind == trace.Consumer || s.Service == me.Service && w.nodes[c].end > n.end+outlives {
			continue // nobody here waited for its end
		}
		w.order = append(w.order, c)
	}
	slices.SortFunc(w.order[from:], func(a, b int32) int { return int(w.nodes[b].end - w.nodes[a].end) })
	own, cursor := time.Duration(0), upper
	for k := from; k < len(w.order); k++ {
		c := w.order[k]
		start, end := max(w.nodes[c].start, lower), min(w.nodes[c].end, cursor)
		if end <= start {
			continue
		}
		own += cursor - end
		w.walk(c, start, end)
		cursor = start
	}
	w.order = w.order[:from]
	w.charge(i, own+cursor-lower)
}

func (w *walker) charge(i int32, d time.Duration) {
	p := w.partOf(i)
	k, ok := w.at[p]
	if !ok {
		k = len(w.costs)
		w.at[p] = k
		w.costs = append(w.costs, cost{part: p})
	}
	w.costs[k].time += d
	w.costs[k].n++
}

// partOf says what a span's own time is spent on: a call's is the link to the
// callee, or the dependency's where the callee has no spans.
func (w *walker) partOf(i int32) part {
	s := &w.trace.Spans[i]
	operation := w.trace.Spans[w.nodes[i].hop].Operation
	if s.Kind != trace.Client && s.Kind != trace.Producer {
		return part{s.Service, operation, result.KindSelf, ""}
	}
	for c := w.nodes[i].child; c != none; c = w.nodes[c].next {
		if callee := &w.trace.Spans[c]; callee.Service != s.Service && callee.Kind != trace.Consumer {
			if callee.Kind == trace.Client || callee.Kind == trace.Producer {
				// The callee calls on, but its own span is lost.
				return part{callee.Service, s.Operation, result.KindSelf, ""}
			}
			return part{callee.Service, callee.Operation, result.KindLink, s.Service}
		}
	}
	peer := s.Peer()
	if peer == "" {
		peer = strings.TrimSpace(s.Operation)
	}
	return part{s.Service, operation, result.KindDependency, peer}
}
