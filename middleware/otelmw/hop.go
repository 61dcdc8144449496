package otelmw

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// hopState is a hop in progress.
type hopState struct {
	core       *adapter.Core
	root       key // of the span that is the hop
	start      time.Time
	entry      string
	entryStart time.Time
	async      bool

	mu         sync.Mutex
	closed     bool
	superseded bool   // an adapter reports the same message
	inner      string // operation that a handler within the handler knew
	deps       []adapter.Dependency
	done       []interval
	open       []*record
	folded     time.Duration   // covered by intervals that were dropped from done
	foldedDeps []time.Duration // likewise, by dependency
	foldedTo   time.Duration   // end of the last such interval
}

// interval is a call, by its offsets from the hop's start.
type interval struct {
	start, end time.Duration
	dep        int
}

// maxIntervals is the maximum number of calls that a hop remembers singly. The
// half of them that ended earlier is added up then.
const maxIntervals = 2048

// maxDependencies is the number of dependencies of a hop that are told apart, as in
// adapter. Further ones of a kind share the name adapter.Overflow.
const maxDependencies = 1024

func (h *hopState) supersede() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.superseded = true
}

// within records the operation of a handler within the handler. It is used when the
// hop's own span does not know it.
func (h *hopState) within(operation string, known bool) {
	if !known {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inner = operation
}

// enter records a call in flight.
func (h *hopState) enter(r *record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		r.position = len(h.open)
		h.open = append(h.open, r)
	}
}

// leave records the end of a call. It does nothing once the hop has ended.
func (h *hopState) leave(r *record, dep adapter.Dependency, start, end time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || r.span == nil {
		return
	}
	h.removeOpen(r)
	h.add(dep, start, end)
}

// giveUp ends a call whose own end will not be seen.
func (h *hopState) giveUp(r *record, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || r.span == nil {
		return
	}
	s := r.span
	h.removeOpen(r)
	a := read(s.Attributes())
	h.add(a.dependency(r.kind, s.Name(), h.core), s.StartTime(), now)
}

func (h *hopState) removeOpen(r *record) {
	last := len(h.open) - 1
	h.open[r.position] = h.open[last]
	h.open[r.position].position = r.position
	h.open[last] = nil
	h.open, r.span = h.open[:last], nil
}

func (h *hopState) add(dep adapter.Dependency, start, end time.Time) {
	h.remember(dep, start, end)
	if len(h.done) >= maxIntervals {
		h.fold()
	}
}

// remember records an interval. Its part before foldedTo has been added up.
func (h *hopState) remember(dep adapter.Dependency, start, end time.Time) {
	i := slices.Index(h.deps, dep)
	if i < 0 && len(h.deps) >= maxDependencies {
		dep.Name = adapter.Overflow
		i = slices.Index(h.deps, dep)
	}
	if i < 0 {
		i = len(h.deps)
		h.deps = append(h.deps, dep)
	}
	h.done = append(h.done, interval{max(start.Sub(h.start), h.foldedTo), end.Sub(h.start), i})
}

// fold adds up all calls until the end of the half that ended earlier, those in flight
// too. It keeps the other half. A span with an earlier time that is recorded later
// counts from there only.
func (h *hopState) fold() {
	slices.SortFunc(h.done, func(a, b interval) int { return cmp.Compare(a.end, b.end) })
	half := len(h.done) / 2
	to := max(h.done[half-1].end, h.foldedTo)
	kept := slices.Clone(h.done[half:]) // union sorts
	for _, r := range h.open {
		h.rememberOpen(r, h.start.Add(to))
	}
	covered, deps := union(h.done, len(h.deps), h.foldedTo, to)
	h.folded += covered
	for len(h.foldedDeps) < len(deps) {
		h.foldedDeps = append(h.foldedDeps, 0)
	}
	for i, d := range deps {
		h.foldedDeps[i] += d
	}
	h.foldedTo = to
	h.done = append(h.done[:0], kept...)
}

// rememberOpen records a call in flight until end.
func (h *hopState) rememberOpen(r *record, end time.Time) {
	a := read(r.span.Attributes())
	h.remember(a.dependency(r.kind, r.span.Name(), h.core), r.span.StartTime(), end)
}

// close ends the hop and the calls in flight. It returns the wait of each dependency
// and the time that any call was in flight.
func (h *hopState) close(end time.Time) (waits []adapter.Wait, covered time.Duration, inner string, superseded bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	if h.superseded {
		h.open = nil
		return nil, 0, "", true
	}
	for _, r := range h.open {
		h.rememberOpen(r, end)
		r.span = nil
	}
	h.open = nil
	covered, deps := union(h.done, len(h.deps), h.foldedTo, end.Sub(h.start))
	for i, d := range deps {
		if i < len(h.foldedDeps) {
			d += h.foldedDeps[i]
		}
		waits = append(waits, adapter.Wait{Dependency: h.deps[i], Duration: d})
	}
	return waits, covered + h.folded, h.inner, false
}

// union returns the time between from and to that is covered by any interval, and by
// those of each dependency. It sorts the intervals.
func union(all []interval, deps int, from, to time.Duration) (covered time.Duration, of []time.Duration) {
	if len(all) == 0 && deps == 0 {
		return 0, nil
	}
	slices.SortFunc(all, func(a, b interval) int { return cmp.Compare(a.start, b.start) })
	of = make([]time.Duration, 2*deps)
	of, until := of[:deps], of[deps:] // until is the end of the covered part
	for i := range until {
		until[i] = from
	}
	reach := from
	for _, c := range all {
		end := min(c.end, to)
		if d := end - max(c.start, reach); d > 0 {
			covered += d
		}
		if d := end - max(c.start, until[c.dep]); d > 0 {
			of[c.dep] += d
		}
		reach, until[c.dep] = max(reach, end), max(until[c.dep], end)
	}
	return covered, of
}
