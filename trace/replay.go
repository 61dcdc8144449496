package trace

import (
	"cmp"
	"slices"
	"time"
)

// replay holds the buffers of Replay, for reuse.
type replay struct {
	order  []int           // the replayed spans, parents before children
	factor []float64       // by span
	took   []time.Duration // by span
	kids   []int           // the waited children of the current span, by start
	byEnd  []int           // indices of kids, by end
	ends   []time.Duration // new ends of kids, since the span's new start
	gaps   []gap
}

// gap is an interval of a span in which no child ran; before is the total length of
// the gaps before it.
type gap struct{ from, to, before time.Duration }

// Replay returns the duration that a span would have had if its self time and those of
// its descendants were multiplied by the factors that scale returns. The time between
// the end of a child and later events stays the same, except for scaled self time.
// scale is called once for each span that was waited for, parents before children,
// siblings by start. If all factors are 1, the result is the span's duration.
//
// For a callee that outlived its caller, only the time that the caller waited counts.
// The caller becomes faster only if the callee takes less than that.
func (t *Tree) Replay(i int, scale func(span int, self time.Duration) float64) time.Duration {
	r := &t.play
	r.order = r.order[:0]
	if len(r.factor) < len(t.nodes) {
		r.factor, r.took = make([]float64, len(t.nodes)), make([]time.Duration, len(t.nodes))
	}
	t.stack = append(t.stack[:0], i)
	for len(t.stack) > 0 {
		j := t.stack[len(t.stack)-1]
		t.stack = t.stack[:len(t.stack)-1]
		r.order = append(r.order, j)
		r.factor[j] = scale(j, t.Self(j))
		for _, c := range slices.Backward(t.Children(j)) {
			if t.waited(j, c) {
				t.stack = append(t.stack, c)
			}
		}
	}
	for _, j := range slices.Backward(r.order) {
		r.took[j] = t.replaySpan(j)
	}
	return r.took[i]
}

// waited reports whether a parent waited for a child, for some time.
func (t *Tree) waited(parent, child int) bool {
	k := &t.nodes[child]
	return !k.async && k.end > t.nodes[parent].start
}

// replaySpan replays one span whose children have been replayed.
func (t *Tree) replaySpan(i int) time.Duration {
	n, r := &t.nodes[i], &t.play
	within := func(at time.Duration) time.Duration { return max(n.start, min(at, n.end)) }
	r.kids, r.byEnd, r.ends, r.gaps = r.kids[:0], r.byEnd[:0], r.ends[:0], r.gaps[:0]
	for _, c := range t.Children(i) {
		if t.waited(i, c) {
			r.byEnd = append(r.byEnd, len(r.kids))
			r.kids = append(r.kids, c)
		}
	}
	slices.SortFunc(r.byEnd, func(a, b int) int {
		return cmp.Or(cmp.Compare(within(t.nodes[r.kids[a]].end), within(t.nodes[r.kids[b]].end)), cmp.Compare(a, b))
	})
	sum := time.Duration(0)
	t.gaps(i, func(from, to time.Duration) {
		r.gaps = append(r.gaps, gap{from, to, sum})
		sum += to - from
	})
	// moment returns the new time of an event at m. It depends on the new ends of the
	// children that had ended by then. Calls must have ascending m.
	next, since, at := 0, n.start, time.Duration(0)
	var moments, returns gapCursor
	moment := func(m time.Duration, first int) time.Duration {
		for ; next < len(r.byEnd) && r.byEnd[next] < first; next++ {
			end := within(t.nodes[r.kids[r.byEnd[next]]].end)
			if end > m {
				break
			}
			since, at = max(since, end), max(at, r.ends[r.byEnd[next]])
		}
		free := moments.free(r.gaps, m) - returns.free(r.gaps, since)
		return at + (m - since - free) + time.Duration(r.factor[i]*float64(free))
	}
	last := time.Duration(0)
	for j, c := range r.kids {
		k := &t.nodes[c]
		wait := within(k.end) - within(k.start)
		if took := r.took[c]; took > k.end-k.start {
			wait += took - (k.end - k.start)
		} else {
			wait = min(wait, took)
		}
		r.ends = append(r.ends, moment(within(k.start), j)+wait)
		last = max(last, r.ends[j])
	}
	return max(moment(n.end, len(r.kids)), last)
}

// gapCursor is the number of gaps that begin before the last queried time. Queries must
// have ascending times.
type gapCursor int

// free returns the total length of the gaps before at.
func (c *gapCursor) free(gaps []gap, at time.Duration) time.Duration {
	for int(*c) < len(gaps) && gaps[*c].from <= at {
		*c++
	}
	if *c == 0 {
		return 0
	}
	g := gaps[*c-1]
	return g.before + min(at, g.to) - g.from
}
