package trace

import (
	"slices"
	"time"
)

// settle walks down from the roots. It repairs clock skew, puts children in the
// order of their start and finds out which of them were waited for.
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
	start = max(-maxOffset, min(start, maxOffset)) // bounded, however skews add up
	c.shift = start - c.start
	c.start, c.end = start, start+length
	c.async = cs.Kind == Consumer ||
		c.start > p.end || c.start == p.end && p.end > p.start ||
		cs.Service == ps.Service && c.end > p.end+outlives
}

// skew returns by how much a call's handling, measured by another clock, is to be
// moved to lie within the call. It is centered there: the difference of the
// durations is the way there and back, half of it each. If it took longer than the
// call it is moved so that it does not begin before. What sticks out by less than
// clocks of one machine differ stays.
func skew(start, end, from, to time.Duration) time.Duration {
	margin := crossing(end - start)
	switch {
	case from >= start-margin && to <= end+margin:
		return 0
	case to-from <= end-start:
		return start + (end-start-(to-from))/2 - from
	}
	return max(start-from, 0)
}

// outlives is how much longer than its parent a span of the same service may last
// for having been waited for: what ends within a millisecond of the parent is a
// deferred end, not work that goes on behind it.
const outlives = time.Millisecond

// crossing is by how much two spans that follow each other within a parent of a
// duration, or a parent and its child, may cross: a fiftieth of the parent's
// duration. CRISP allows a hundredth; ends that are recorded by another goroutine
// are late by more than that in parents of under a millisecond. Starts and
// durations are each cut to microseconds in many formats, hence 2 µs at least.
func crossing(parent time.Duration) time.Duration {
	return max(parent/50, 2*time.Microsecond)
}
