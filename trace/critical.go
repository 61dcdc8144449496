package trace

import (
	"cmp"
	"slices"
	"time"
)

// pathWalk is the memory of a walk along a critical path.
type pathWalk struct {
	frames []pathFrame
	byEnd  []int // the waited children of the spans that are being walked
}

// pathFrame is a span whose time from lower to cursor is not yet divided.
type pathFrame struct {
	span          int
	lower, cursor time.Duration
	own           time.Duration
	first, next   int // in byEnd
	taken         bool
}

// CriticalPath returns what the end of a span waited for: segments that follow one
// another without gap or overlap from the span's start to its end, each with the
// span that it is charged to. It holds the rules of CRISP (Zhang et al., USENIX
// ATC 2022), which Jaeger's UI follows, too:
//
//   - From a span's end backward, it waited for the child that finished last;
//     before that child's start, for the last of those that had finished by then.
//     What is left is the span's own.
//   - A child that was still running when the one after it started did not happen
//     before it, so it is not on the path; its time is its parent's. It is on the
//     path if they overlap by no more than a fiftieth of the parent, or 2 µs.
//   - What a child does outside its parent does not count.
//   - Of children that finished at the same moment, the longest was waited for.
//   - Asynchronous children are not on the path; see Async. CriticalPaths has theirs.
func (t *Tree) CriticalPath(i int) []Segment { return t.AppendCriticalPath(nil, i) }

// AppendCriticalPath appends the segments of a span's critical path.
func (t *Tree) AppendCriticalPath(dst []Segment, i int) []Segment {
	from := len(dst)
	t.walkPath(i, func(f *pathFrame, start, end time.Duration) {
		if start < end {
			dst = append(dst, Segment{f.span, start, end})
		}
	}, func(*pathFrame) {})
	slices.Reverse(dst[from:])
	return dst
}

// Share is the part of a critical path that one span is charged with.
type Share struct {
	Span int // index
	Time time.Duration
}

// AppendShares appends the share of each span on a span's critical path, the last
// to start first. A call that its callee covers from end to end is on the path with
// a share of 0. The times add up to the span's duration.
func (t *Tree) AppendShares(dst []Share, i int) []Share {
	t.walkPath(i, func(f *pathFrame, start, end time.Duration) { f.own += end - start },
		func(f *pathFrame) { dst = append(dst, Share{f.span, f.own}) })
	return dst
}

// walkPath walks back along a critical path. It calls segment for each stretch of
// a span's own, and leave once it is through with a span.
func (t *Tree) walkPath(i int, segment func(f *pathFrame, start, end time.Duration), leave func(f *pathFrame)) {
	w := &t.walk
	t.enter(i, t.nodes[i].start, t.nodes[i].end)
	for len(w.frames) > 0 {
		f := &w.frames[len(w.frames)-1]
		c, start, end := t.lastBefore(f)
		if c == None {
			segment(f, f.lower, f.cursor)
			leave(f)
			w.byEnd = w.byEnd[:f.first]
			w.frames = w.frames[:len(w.frames)-1]
			continue
		}
		segment(f, end, f.cursor)
		f.cursor, f.taken = start, true
		t.enter(c, start, end)
	}
}

// enter begins to divide the time of a span from lower to upper.
func (t *Tree) enter(i int, lower, upper time.Duration) {
	w := &t.walk
	first := len(w.byEnd)
	for _, c := range t.Children(i) {
		if k := &t.nodes[c]; !k.async && k.end > lower && k.start < upper {
			w.byEnd = append(w.byEnd, c)
		}
	}
	slices.SortFunc(w.byEnd[first:], func(a, b int) int {
		return cmp.Or(cmp.Compare(t.nodes[b].end, t.nodes[a].end), cmp.Compare(t.nodes[a].start, t.nodes[b].start), t.compareNames(a, b))
	})
	w.frames = append(w.frames, pathFrame{span: i, lower: lower, cursor: upper, first: first, next: first})
}

// lastBefore returns the child that the time before the cursor was spent waiting
// for, and the part of it that counts, or None.
func (t *Tree) lastBefore(f *pathFrame) (child int, start, end time.Duration) {
	limit := f.cursor
	if f.taken {
		limit += crossing(t.Took(f.span))
	}
	for ; f.next < len(t.walk.byEnd); f.next++ {
		c := t.walk.byEnd[f.next]
		k := &t.nodes[c]
		if f.taken && k.end > limit {
			continue
		}
		if start, end = max(k.start, f.lower), min(k.end, f.cursor); start < end {
			f.next++
			return c, start, end
		}
	}
	return None, 0, 0
}

// CriticalPaths returns the critical paths of all roots and of all asynchronous
// spans: the request's goes on behind queues, and what it did not wait for has a
// path of its own. No moment of a span is in two of them. Segments are ordered by
// path, those of a path by time.
func (t *Tree) CriticalPaths() []Segment {
	var out []Segment
	for _, r := range t.roots {
		out = t.AppendCriticalPath(out, r)
	}
	for _, i := range t.order {
		if t.nodes[i].async {
			out = t.AppendCriticalPath(out, i)
		}
	}
	return out
}
