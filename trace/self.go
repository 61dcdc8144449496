package trace

import "time"

// Segment is an interval of one span, in offsets from the tree's Origin.
type Segment struct {
	Span     int // index
	From, To time.Duration
}

// Took returns the length of the segment.
func (s Segment) Took() time.Duration { return s.To - s.From }

// Self returns a span's self time: its duration minus the union of the intervals of
// the children that it waited for. See Async.
func (t *Tree) Self(i int) time.Duration {
	var sum time.Duration
	t.gaps(i, func(from, to time.Duration) { sum += to - from })
	return sum
}

// AppendBusy appends the segments that make up a span's self time, ordered by time.
func (t *Tree) AppendBusy(dst []Segment, i int) []Segment {
	t.gaps(i, func(from, to time.Duration) { dst = append(dst, Segment{i, from, to}) })
	return dst
}

// Busy returns the segments that make up a span's self time, ordered by time.
func (t *Tree) Busy(i int) []Segment { return t.AppendBusy(nil, i) }

// gaps calls f for each interval of a span in which it waited for no child.
func (t *Tree) gaps(i int, f func(from, to time.Duration)) {
	n := &t.nodes[i]
	at := n.start
	for _, c := range t.Children(i) { // by start
		k := &t.nodes[c]
		if k.async {
			continue
		}
		if from := min(k.start, n.end); from > at {
			f(at, from)
		}
		at = max(at, k.end)
	}
	if at < n.end {
		f(at, n.end)
	}
}
