package trace

import "time"

// Trace returns the trace that was loaded.
func (t *Tree) Trace() *Trace { return t.trace }

// Len returns the number of spans, duplicates included.
func (t *Tree) Len() int { return len(t.nodes) }

// Span returns a span of the trace, with its times as they were recorded.
func (t *Tree) Span(i int) *Span { return &t.trace.Spans[i] }

// Origin returns the time of offset 0: the start of the first span, after clock skew
// correction.
func (t *Tree) Origin() time.Time { return t.origin }

// Duration returns the offset at which the last span ended.
func (t *Tree) Duration() time.Duration { return t.duration }

// Root returns the topmost span of the request. If several spans have no parent in
// the trace, it is one that names no parent rather than one whose parent is missing,
// then the first to start, then the longest. It is None if there are no spans, or all
// of them are in cycles.
func (t *Tree) Root() int { return t.root }

// Entry returns the span that serves the request. It is the root, unless that is the
// client span of a caller that sends spans. Then it is the first server span below the
// root.
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

// Roots returns all spans without a parent in the tree: first Root, unless it is
// None, then other spans without a parent, including those at which a cycle was cut,
// then orphans that were not adopted.
func (t *Tree) Roots() []int { return t.roots }

// Order returns all spans except duplicates in depth-first order: parents before
// children, siblings by start.
func (t *Tree) Order() []int { return t.order }

// Duplicates returns the spans that have the ID of another span. They are not part of
// the tree.
func (t *Tree) Duplicates() []int { return t.duplicates }

// Parent returns a span's parent, or the span that adopted it; None for a root.
func (t *Tree) Parent(i int) int { return t.nodes[i].parent }

// Children returns a span's children ordered by start, asynchronous ones included.
// The slice must not be modified.
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

// Took returns a span's duration. It is 0 if the recorded one is negative.
func (t *Tree) Took(i int) time.Duration { return t.nodes[i].end - t.nodes[i].start }

// Shift returns the offset by which clock skew correction moved a span.
func (t *Tree) Shift(i int) time.Duration { return t.nodes[i].shift }

// Hop returns the span that represents the hop to which span i belongs. It is the
// nearest of the span and its ancestors that is a server or consumer span, or whose
// parent belongs to another service.
func (t *Tree) Hop(i int) int { return t.nodes[i].hop }

// Callee returns the span that handled a call, or None. It is the first child of
// another service that is not a consumer span.
func (t *Tree) Callee(i int) int {
	for _, c := range t.Children(i) {
		if s := &t.trace.Spans[c]; s.Service != t.trace.Spans[i].Service && s.Kind != Consumer {
			return c
		}
	}
	return None
}

// Async reports whether a span's parent did not wait for it. That is so for a consumer
// span, and for a span that started after its parent ended, such as the publication of
// an event from an outbox. It is also so for a span of the parent's service that ended
// more than a millisecond after the parent. A callee of another service that outlives
// its caller is not asynchronous: the caller waited until it gave up.
func (t *Tree) Async(i int) bool { return t.nodes[i].async }
