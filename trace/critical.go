package trace

import (
	"cmp"
	"slices"
	"time"
)

// pathWalk holds the buffers of a walk along a critical path, for reuse.
type pathWalk struct {
	frames []pathFrame
	byEnd  []int // the waited children of the spans that are being walked
}

// pathFrame is a span on the path whose time from lower to cursor is not attributed
// yet.
type pathFrame struct {
	span          int
	lower, cursor time.Duration
	own           time.Duration
	first, next   int // in byEnd
	taken         bool
}

// CriticalPath returns the critical path of a span: segments from the span's start to
// its end, without gap or overlap. Each segment is attributed to the span on which the
// end of the request depended at that time. It follows CRISP (Zhang et al., USENIX ATC
// 2022), as Jaeger's UI does:
//
//   - Backwards from the end of a span, the last child to finish is on the path, then
//     the last of those that finished before that child started, and so on. The
//     remaining time is attributed to the span itself.
//   - A child that was still running when the next one on the path started did not
//     happen before it and is not on the path. An overlap of up to 2% of the parent's
//     duration, or 2 µs, is attributed to clocks and tolerated.
//   - Time of a child outside its parent does not count.
//   - Of children that finish at the same time, the longest is on the path.
//   - Asynchronous children are not on the path; see Async and CriticalPaths.
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

// Share is the time on a critical path that is attributed to one span.
type Share struct {
	Span int // index
	Time time.Duration
}

// AppendShares appends the shares of all spans on a span's critical path, children
// before parents. A call that is covered by its callee from start to end is on the
// path with a share of 0. The shares add up to the span's duration.
func (t *Tree) AppendShares(dst []Share, i int) []Share {
	t.walkPath(i, func(f *pathFrame, start, end time.Duration) { f.own += end - start },
		func(f *pathFrame) { dst = append(dst, Share{f.span, f.own}) })
	return dst
}

// walkPath walks back along a critical path. It calls segment for each interval,
// possibly empty, that is attributed to a span, and leave after the last interval of a
// span.
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

// enter pushes a frame for the time of a span from lower to upper.
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

// lastBefore returns the child on the path before the frame's cursor, and the part of
// it that counts; or None.
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

// CriticalPaths returns the critical paths of all roots and of all asynchronous spans,
// one after another: first that of the request, then those that continue behind queues.
// No two segments of a span overlap.
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
