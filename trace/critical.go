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
	from, w := len(dst), &t.walk
	t.enter(i, t.nodes[i].start, t.nodes[i].end)
	for len(w.frames) > 0 {
		f := &w.frames[len(w.frames)-1]
		c, start, end := t.lastBefore(f)
		if c == None {
			dst = appendSegment(dst, f.span, f.lower, f.cursor)
			w.byEnd = w.byEnd[:f.first]
			w.frames = w.frames[:len(w.frames)-1]
			continue
		}
		dst = appendSegment(dst, f.span, end, f.cursor)
		f.cursor, f.taken = start, true
		t.enter(c, start, end)
	}
	slices.Reverse(dst[from:])
	return dst
}

func appendSegment(dst []Segment, i int, from, to time.Duration) []Segment {
	if from < to {
		dst = append(dst, Segment{i, from, to})
	}
	return dst
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
