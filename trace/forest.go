package trace

import "time"

// Trace returns the trace that was loaded.
func (t *Tree) Trace() *Trace { return t.trace }

// Len returns the number of spans, duplicates included.
func (t *Tree) Len() int { return len(t.nodes) }

// Span returns a span of the trace, with its times as they were recorded.
func (t *Tree) Span(i int) *Span { return &t.trace.Spans[i] }

// Origin returns the time from which offsets count: the start of the first span
// after the repair of clock skew.
func (t *Tree) Origin() time.Time { return t.origin }

// Duration returns the offset at which the last span ended.
func (t *Tree) Duration() time.Duration { return t.duration }

// Root returns the request's topmost span: of those without a parent in the trace
// one that has none before one whose parent is missing, then the first to start,
// then the longest. It is None when there are no spans or nothing but cycles.
func (t *Tree) Root() int { return t.root }

// Entry returns the first span that serves the request: the root, or the server's
// span below a root that is a client's, whose wait is not the entry's.
func (t *Tree) Entry() int {
	if t.root != None && t.trace.Spans[t.root].Kind == Client {
		for _, c := range t.Children(t.root) {
			if t.trace.Spans[c].Kind == Server {
				return c
			}
		}
	}
	return t.root
}

// Roots returns the topmost spans: the root first, then other spans without a
// parent, those that nothing could adopt, and those above which a cycle was cut.
func (t *Tree) Roots() []int { return t.roots }

// Order returns all spans but duplicates, parents before their children, siblings
// by their start.
func (t *Tree) Order() []int { return t.order }

// Duplicates returns spans that have the ID of another one. They have no place in
// the tree.
func (t *Tree) Duplicates() []int { return t.duplicates }

// Parent returns a span's parent, or the span that adopted it; None for a root.
func (t *Tree) Parent(i int) int { return t.nodes[i].parent }

// Children returns a span's children by their start, those that it did not wait
// for among them. The caller must not change it.
func (t *Tree) Children(i int) []int {
	n := &t.nodes[i]
	return t.kids[n.first : n.first+n.kids : n.first+n.kids]
}

// Depth returns the number of a span's ancestors.
func (t *Tree) Depth(i int) int { return t.nodes[i].depth }

// Start returns the offset at which a span started.
func (t *Tree) Start(i int) time.Duration { return t.nodes[i].start }

// End returns the offset at which a span ended.
func (t *Tree) End(i int) time.Duration { return t.nodes[i].end }

// Took returns a span's duration; a negative one counts as 0.
func (t *Tree) Took(i int) time.Duration { return t.nodes[i].end - t.nodes[i].start }

// Shift returns by how much the repair of clock skew moved a span.
func (t *Tree) Shift(i int) time.Duration { return t.nodes[i].shift }

// Hop returns the span with which a span's service began the work that the span is
// part of: the nearest of itself and its ancestors that serves a message or whose
// parent is another service's.
func (t *Tree) Hop(i int) int { return t.nodes[i].hop }

// Callee returns the span that handled the call which a span stands for: its first
// child of another service that is not a consumer's, or None.
func (t *Tree) Callee(i int) int {
	for _, c := range t.Children(i) {
		if s := &t.trace.Spans[c]; s.Service != t.trace.Spans[i].Service && s.Kind != Consumer {
			return c
		}
	}
	return None
}

// Async reports whether a span's parent did not wait for its end. There are three
// such spans: a consumer's; one that started after its parent had ended, as the
// sending of an event that was left in an outbox; and one of its parent's own
// service that ended more than a millisecond after it. A call that another service
// went on handling after its caller gave up was waited for until then.
func (t *Tree) Async(i int) bool { return t.nodes[i].async }
