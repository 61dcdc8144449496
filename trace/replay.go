package trace

import (
	"cmp"
	"slices"
	"time"
)

// replay is the memory of Replay.
type replay struct {
	order  []int           // the spans that are replayed, parents before children
	factor []float64       // by span
	took   []time.Duration // by span
	kids   []int           // the waited children of the span at hand, by start
	byEnd  []int           // their positions in kids, by end
	ends   []time.Duration // theirs, since the span's new start
	gaps   []gap
}

// gap is a stretch of a span in which no child ran, and how long those before it
// were altogether.
type gap struct{ from, to, before time.Duration }

// Replay returns how long a span would have taken if the self time of each span
// below it, and its own, were scaled. What happened after some of a span's children
// had ended happens, as long as it did, after the last of these. The function is
// called once for each span that was waited for, parents before children, siblings
// by their start; it returns the factor. If all factors are 1, the result is the
// span's duration.
//
// A callee that went on after its caller gave up counts for as long as it was
// waited for: only once it takes less than that is the caller faster.
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

// waited reports whether a span waited for time of a child.
func (t *Tree) waited(parent, child int) bool {
	k := &t.nodes[child]
	return !k.async && k.end > t.nodes[parent].start
}

// replaySpan plays one span, whose children have been played.
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
	// moment returns when something happens that happened at a moment, after
	// those of the first children that had ended by then. Moments come in order.
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

// gapCursor is the number of gaps that begin before a moment. Moments must come in
// their order.
type gapCursor int

// free returns how much time until a moment no child ran.
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
