package trace

import (
	"slices"
	"time"
)

// settle walks down from the roots. It repairs clock skew, sorts children by start and
// finds the asynchronous ones.
func (t *Tree) settle() {
	t.stack = t.stack[:0]
	for _, r := range slices.Backward(t.roots) {
		t.stack = append(t.stack, r)
	}
	for len(t.stack) > 0 {
		i := t.stack[len(t.stack)-1]
		t.stack = t.stack[:len(t.stack)-1]
		t.order = append(t.order, i)
		kids := t.Children(i)
		for _, c := range kids {
			t.settleChild(i, c)
		}
		slices.SortFunc(kids, t.earlier)
		for _, c := range slices.Backward(kids) {
			t.stack = append(t.stack, c)
		}
	}
	first := t.nodes[t.roots[0]].start
	for i := range t.nodes {
		first = min(first, t.nodes[i].start)
	}
	t.origin = t.origin.Add(first)
	for i := range t.nodes {
		n := &t.nodes[i]
		n.start, n.end = n.start-first, n.end-first
		t.duration = max(t.duration, n.end)
	}
}

func (t *Tree) settleChild(parent, child int) {
	p, c := &t.nodes[parent], &t.nodes[child]
	ps, cs := &t.trace.Spans[parent], &t.trace.Spans[child]
	c.depth, c.shift = p.depth+1, p.shift
	start, length := c.start+c.shift, c.end-c.start
	switch {
	case cs.Service == ps.Service && !cs.Kind.Serves():
		c.hop = p.hop
	case cs.Kind != Consumer:
		start += skew(p.start, p.end, start, start+length)
	}
	start = max(-maxOffset, min(start, maxOffset)) // bounds the sum of shifts
	c.shift = start - c.start
	c.start, c.end = start, start+length
	c.async = cs.Kind == Consumer ||
		c.start > p.end || c.start == p.end && p.end > p.start ||
		cs.Service == ps.Service && c.end > p.end+outlives
}

// skew returns the offset that moves a callee's span, measured by another clock, into
// its call, as Jaeger's clock skew adjuster does. The span is centered: each direction
// of the network is assumed to take half of the difference of the durations. A callee
// that took longer than the call is moved only so that it does not start before it. A
// span that exceeds its call by no more than crossing, and no more than a millisecond,
// is not moved.
func skew(start, end, from, to time.Duration) time.Duration {
	margin := min(crossing(end-start), outlives)
	switch {
	case from >= start-margin && to <= end+margin:
		return 0
	case to-from <= end-start:
		return start + (end-start-(to-from))/2 - from
	}
	return max(start-from, 0)
}

// outlives is the maximum time by which a span may end after its parent in the same
// service and still count as waited for. A difference within a millisecond is a
// deferred end, not background work.
const outlives = time.Millisecond

// crossing returns the insignificant overlap of consecutive siblings, and of a callee
// that exceeds its call: 2% of the parent's duration. CRISP allows 1%. In parents under
// a millisecond, ends that are recorded by another goroutine are later than that. The
// minimum is 2 µs because many formats truncate both start and duration to
// microseconds.
func crossing(parent time.Duration) time.Duration {
	return max(parent/50, 2*time.Microsecond)
}
