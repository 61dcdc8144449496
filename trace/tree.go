package trace

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// None is the index that stands for no span.
const None = -1

// Limits of Load.
const (
	maxOrphans = 64 // if more parents are missing, no span is adopted
	maxOffset  = time.Duration(1) << 60
	keptIndex  = 1024 // a larger index of IDs is not reused for much smaller traces
)

// Tree holds the spans of one trace as a tree, or as several trees if parents are
// missing. Spans are identified by their index in Trace.Spans. Times are offsets from
// Origin, with clock skew corrected.
//
// The zero value is ready for Load. A Tree reuses its memory, so traces can be loaded
// one after another without allocations. Slices returned by methods are valid until the
// next Load, except those of the Append methods. A Tree is not safe for concurrent use.
type Tree struct {
	trace      *Trace
	origin     time.Time
	duration   time.Duration
	root       int
	nodes      []node
	kids       []int // the children of all spans, one list after another
	order      []int
	roots      []int
	missing    []int
	duplicates []int

	index map[string]int // by span ID
	peak  int            // of the index's size
	marks []int
	stack []int
	walk  pathWalk
	play  replay
}

// node is the position of a span in the tree.
type node struct {
	parent       int
	first, kids  int // its children are kids[first : first+kids] of the Tree
	depth        int
	hop          int
	start, end   time.Duration
	shift        time.Duration // by which clock skew correction moved it
	async        bool
	duplicate    bool
	cut          bool // its parent descends from it
	parentAbsent bool
}

// NewTree returns the tree of a trace.
func NewTree(tr *Trace) *Tree {
	t := &Tree{}
	t.Load(tr)
	return t
}

// Load replaces the tree with that of another trace, in O(n log n) time. The result
// does not depend on the order of the spans, unless two of them have the same ID,
// times, service and operation. The trace must not be modified while it is in use.
//
//   - Of spans with the same ID, the first to start is kept, then the longest. The
//     others are Duplicates.
//   - A span whose parent is missing is adopted by the shortest span that contains it
//     and does not descend from it. If more than 64 parents are missing, no span is
//     adopted.
//   - A cycle of parents is cut at its first span.
//   - A callee's span that lies outside its call was measured by another clock. It is
//     moved into the call, together with its descendants, as Jaeger's clock skew
//     adjuster does. Spans of the same service, unless they are servers', and
//     consumers' spans are never moved.
func (t *Tree) Load(tr *Trace) {
	t.trace, t.root, t.duration, t.origin = tr, None, 0, time.Time{}
	t.nodes, t.order, t.roots, t.missing, t.duplicates = t.nodes[:0], t.order[:0], t.roots[:0], t.missing[:0], t.duplicates[:0]
	if len(tr.Spans) == 0 {
		return
	}
	t.setTimes()
	t.identify()
	t.cutCycles()
	t.chooseRoot()
	t.adopt()
	t.gatherChildren()
	t.settle()
}

// setTimes sets the recorded times of the spans.
func (t *Tree) setTimes() {
	spans := t.trace.Spans
	t.origin = spans[0].Start
	for i := range spans {
		if spans[i].Start.Before(t.origin) {
			t.origin = spans[i].Start
		}
	}
	for i := range spans {
		from := min(spans[i].Start.Sub(t.origin), maxOffset)
		t.nodes = append(t.nodes, node{parent: None, hop: i, start: from, end: from + min(max(spans[i].Duration, 0), maxOffset)})
	}
}

// identify drops duplicates and finds each span's parent.
func (t *Tree) identify() {
	spans := t.trace.Spans
	// Clearing a map takes time proportional to its largest size: a large trace
	// must not slow down all those after it.
	if t.index == nil || t.peak > keptIndex && len(spans) < t.peak/8 {
		t.index, t.peak = make(map[string]int, len(spans)), 0
	}
	clear(t.index)
	t.peak = max(t.peak, len(spans))
	for i := range spans {
		id := spans[i].ID
		if id == "" {
			continue
		}
		first, taken := t.index[id]
		switch {
		case !taken:
			t.index[id] = i
		case t.earlier(i, first) < 0:
			t.index[id] = i
			t.nodes[first].duplicate = true
		default:
			t.nodes[i].duplicate = true
		}
	}
	for i := range spans {
		n, parent := &t.nodes[i], spans[i].Parent
		switch {
		case n.duplicate:
			t.duplicates = append(t.duplicates, i)
		case parent == "" || parent == spans[i].ID:
		default:
			if p, ok := t.index[parent]; ok {
				n.parent = p
			} else {
				n.parentAbsent = true
			}
		}
	}
	slices.SortFunc(t.duplicates, t.earlier)
}

// earlier orders spans by their start, the longer first.
func (t *Tree) earlier(a, b int) int {
	x, y := &t.nodes[a], &t.nodes[b]
	if c := cmp.Or(cmp.Compare(x.start, y.start), cmp.Compare(y.end, x.end)); c != 0 {
		return c
	}
	return t.compareNames(a, b)
}

// compareNames orders spans that have the same times.
func (t *Tree) compareNames(a, b int) int {
	r, s := &t.trace.Spans[a], &t.trace.Spans[b]
	return cmp.Or(strings.Compare(r.ID, s.ID), strings.Compare(r.Service, s.Service), strings.Compare(r.Operation, s.Operation),
		strings.Compare(string(r.Kind), string(s.Kind)), strings.Compare(r.Parent, s.Parent), cmp.Compare(a, b))
}

// cutCycles detaches the first span of every cycle from its parent. Each span is
// visited twice at most.
func (t *Tree) cutCycles() {
	t.marks = grow(t.marks, len(t.nodes), None)
	for i := range t.nodes {
		p := i
		for p != None && t.marks[p] == None {
			t.marks[p] = i
			p = t.nodes[p].parent
		}
		if p == None || t.marks[p] != i {
			continue // the walk came to an end or to an earlier one
		}
		first := p
		for q := t.nodes[p].parent; q != p; q = t.nodes[q].parent {
			if t.earlier(q, first) < 0 {
				first = q
			}
		}
		t.nodes[first].parent, t.nodes[first].cut = None, true
	}
}

// chooseRoot finds the request's topmost span: one without a parent before one
// whose parent is missing, then the first to start, then the longest.
func (t *Tree) chooseRoot() {
	for i := range t.nodes {
		n := &t.nodes[i]
		if n.parent != None || n.duplicate || n.cut {
			continue
		}
		if t.root == None || t.tops(i, t.root) < 0 {
			t.root = i
		}
	}
	for i := range t.nodes {
		if t.nodes[i].parentAbsent && i != t.root {
			t.missing = append(t.missing, i)
		}
	}
	slices.SortFunc(t.missing, t.earlier)
}

// tops orders spans without a parent in the trace.
func (t *Tree) tops(a, b int) int {
	if x, y := t.nodes[a].parentAbsent, t.nodes[b].parentAbsent; x != y {
		if y {
			return -1
		}
		return 1
	}
	return t.earlier(a, b)
}

// adopt finds a parent for spans whose recorded parent is missing.
func (t *Tree) adopt() {
	if len(t.missing) == 0 || len(t.missing) > maxOrphans {
		return
	}
	t.findTops()
	for _, o := range t.missing {
		best, n := None, &t.nodes[o]
		for i := range t.nodes {
			m := &t.nodes[i]
			if m.start > n.start || m.end < n.end || i == o || m.duplicate || best != None && !t.shorter(i, best) {
				continue
			}
			if t.top(i) != o {
				best = i
			}
		}
		if best != None {
			n.parent, t.marks[o] = best, t.top(best)
		}
	}
}

func (t *Tree) shorter(a, b int) bool {
	x, y := &t.nodes[a], &t.nodes[b]
	return cmp.Or(cmp.Compare(x.end-x.start, y.end-y.start), cmp.Compare(y.start, x.start), t.compareNames(a, b)) < 0
}

// findTops sets the marks of all spans to their topmost ancestors.
func (t *Tree) findTops() {
	t.marks = grow(t.marks, len(t.nodes), None)
	for i := range t.nodes {
		top := i
		for t.marks[top] == None && t.nodes[top].parent != None {
			top = t.nodes[top].parent
		}
		if t.marks[top] != None {
			top = t.marks[top]
		}
		for j := i; j != None && t.marks[j] == None; j = t.nodes[j].parent {
			t.marks[j] = top
		}
	}
}

// top returns the topmost ancestor of a span while adoptions go on: a topmost
// span that was adopted is marked with its adopter's.
func (t *Tree) top(i int) int {
	for t.marks[i] != i {
		t.marks[i] = t.marks[t.marks[i]]
		i = t.marks[i]
	}
	return i
}

// gatherChildren builds the lists of children and of roots.
func (t *Tree) gatherChildren() {
	t.kids = grow(t.kids, len(t.nodes), 0)
	for i := range t.nodes {
		switch n := &t.nodes[i]; {
		case n.parent != None:
			t.nodes[n.parent].kids++
		case !n.duplicate && i != t.root:
			t.roots = append(t.roots, i)
		}
	}
	slices.SortFunc(t.roots, t.tops)
	if t.root != None {
		t.roots = slices.Insert(t.roots, 0, t.root)
	}
	next := 0
	for i := range t.nodes {
		n := &t.nodes[i]
		n.first = next
		next += n.kids
		n.kids = 0
	}
	for i := range t.nodes {
		if p := t.nodes[i].parent; p != None {
			n := &t.nodes[p]
			t.kids[n.first+n.kids] = i
			n.kids++
		}
	}
}

// grow returns a slice of n values.
func grow(s []int, n, value int) []int {
	s = slices.Grow(s[:0], n)[:n]
	for i := range s {
		s[i] = value
	}
	return s
}
