package why

import (
	"slices"
	"sort"
	"strings"

	"golang.org/x/exp/trace"

	"github.com/tenhop/tenhop/middleware/flight"
)

// span is a range of time of the trace's clock, in ns.
type span struct{ from, to int64 }

func (s span) len() int64 { return max(s.to-s.from, 0) }

func (s span) and(o span) span { return span{max(s.from, o.from), min(s.to, o.to)} }

// state is a range of time in which a goroutine was in one state.
type state struct {
	span
	kind    kind
	stack   int        // where it waits; of running, where the range ends
	waker   trace.GoID // the goroutine that ended the wait
	wakerAt int        // stack of the waker
	reason  string     // of a wait
}

// goroutine is the timeline of a goroutine.
type goroutine struct {
	id      trace.GoID
	parent  trace.GoID // NoGoroutine if it was created before the trace
	created int64
	states  []state // in order
	open    bool    // the last state has no end
	collect []span  // in which it collects garbage: assists and sweeps
	samples []sample
}

// sample is a stack of the CPU profile.
type sample struct {
	at    int64
	stack int
}

// hop is a request that a hop handled.
type hop struct {
	goroutine trace.GoID
	span
	waits     []span // calls in flight
	waiting   int64  // since then a call is in flight; -1 without
	ended     bool
	moved     bool // it ended in another goroutine
	operation string
	self      int64 // as the middleware measured it
}

// recording holds the contents of a trace.
type recording struct {
	whole      span
	goroutines map[trace.GoID]*goroutine
	hops       []*hop
	unknown    int // hops that began before the trace and ended in it
	pauses     []span
	stacks     stackTable

	ran, waited int64 // of the threads, by the kernel
	threads     bool

	byTask map[trace.TaskID]*hop
	ranges map[rangeKey]int64
}

type rangeKey struct {
	name      string
	goroutine trace.GoID
}

// Names of the runtime's ranges.
const (
	markAssist = "GC mark assist"
	sweep      = "GC incremental sweep"
	stopWorld  = "stop-the-world (GC"
)

func newRecording() *recording {
	return &recording{whole: span{-1, -1}, goroutines: map[trace.GoID]*goroutine{}, byTask: map[trace.TaskID]*hop{}, ranges: map[rangeKey]int64{},
		stacks: stackTable{known: map[trace.Stack]int{}, ids: map[string]int{}, texts: [][]string{nil}}}
}

func (r *recording) of(id trace.GoID) *goroutine {
	g := r.goroutines[id]
	if g == nil {
		g = &goroutine{id: id, parent: trace.NoGoroutine}
		r.goroutines[id] = g
	}
	return g
}

// add takes the next event of the trace.
func (r *recording) add(e trace.Event) {
	at := int64(e.Time())
	if r.whole.from < 0 {
		r.whole.from = at
	}
	r.whole.to = max(r.whole.to, at)
	switch e.Kind() {
	case trace.EventStateTransition:
		if t := e.StateTransition(); t.Resource.Kind == trace.ResourceGoroutine {
			r.transition(e, t, at)
		}
	case trace.EventRangeBegin, trace.EventRangeActive:
		r.ranges[rangeKey{e.Range().Name, rangeOf(e)}] = at
	case trace.EventRangeEnd:
		r.endRange(e, at)
	case trace.EventStackSample:
		if id := e.Goroutine(); id != trace.NoGoroutine {
			g := r.of(id)
			g.samples = append(g.samples, sample{at, r.stacks.id(e.Stack())})
		}
	case trace.EventTaskBegin:
		if t := e.Task(); strings.HasPrefix(t.Type, flight.Category+" ") {
			h := &hop{goroutine: e.Goroutine(), span: span{at, at}, waiting: -1}
			r.hops = append(r.hops, h)
			r.byTask[t.ID] = h
		}
	case trace.EventLog:
		if l := e.Log(); l.Category == flight.Category {
			r.mark(e.Goroutine(), l, at)
		}
	}
}

func rangeOf(e trace.Event) trace.GoID {
	if scope := e.Range().Scope; scope.Kind == trace.ResourceGoroutine {
		return scope.Goroutine()
	}
	if strings.HasPrefix(e.Range().Name, stopWorld) {
		return trace.NoGoroutine // it concerns all
	}
	return e.Goroutine()
}

func (r *recording) endRange(e trace.Event, at int64) {
	name := e.Range().Name
	key := rangeKey{name, rangeOf(e)}
	from, ok := r.ranges[key]
	if !ok {
		return
	}
	delete(r.ranges, key)
	switch {
	case strings.HasPrefix(name, stopWorld):
		r.pauses = append(r.pauses, span{from, at})
	case (name == markAssist || name == sweep) && key.goroutine != trace.NoGoroutine:
		g := r.of(key.goroutine)
		g.collect = append(g.collect, span{from, at})
	}
}

// mark takes a mark of the middleware.
func (r *recording) mark(id trace.GoID, l trace.Log, at int64) {
	m, ok := flight.ParseMark(l.Message)
	if !ok {
		return
	}
	if m.Threads {
		r.ran, r.waited, r.threads = m.Ran.Nanoseconds(), m.Waited.Nanoseconds(), true
		return
	}
	if m.Unknown {
		r.unknown++
		return
	}
	h := r.byTask[l.Task]
	if h == nil || h.ended {
		return
	}
	switch {
	case m.Wait:
		if h.waiting < 0 {
			h.waiting = at
		}
	case m.Own:
		h.resume(at)
	case m.End:
		h.resume(at)
		h.to, h.ended, h.moved = at, true, id != h.goroutine
		h.operation, h.self = m.Operation, m.Self.Nanoseconds()
	}
}

func (h *hop) resume(at int64) {
	if h.waiting >= 0 {
		h.waits = append(h.waits, span{h.waiting, at})
		h.waiting = -1
	}
}

// transition takes a change of a goroutine's state.
func (r *recording) transition(e trace.Event, t trace.StateTransition, at int64) {
	id := t.Resource.Goroutine()
	from, to := t.Goroutine()
	if from == to {
		return
	}
	g := r.of(id)
	if from == trace.GoNotExist {
		g.parent, g.created = e.Goroutine(), at
	}
	if g.open {
		last := &g.states[len(g.states)-1]
		last.to, g.open = at, false
		switch last.kind {
		case running:
			last.stack = r.stacks.id(t.Stack) // where it stopped running
		case unclassified:
			if from == trace.GoWaiting {
				last.waker, last.wakerAt = e.Goroutine(), r.stacks.id(e.Stack())
			}
		}
	}
	s := state{span: span{at, at}, waker: trace.NoGoroutine}
	switch to {
	case trace.GoRunning:
		s.kind = running
	case trace.GoRunnable:
		s.kind = runnable
		if from == trace.GoRunning { // preempted
			s.stack = r.stacks.id(t.Stack)
		}
	case trace.GoSyscall:
		s.kind, s.stack = syscall, r.stacks.id(t.Stack)
	case trace.GoWaiting:
		s.kind, s.reason, s.stack = unclassified, t.Reason, r.stacks.id(t.Stack)
	default:
		return // it has ended
	}
	g.states, g.open = append(g.states, s), true
}

// finish closes what is open at the end of the trace and sorts what may be out of order.
func (r *recording) finish() {
	for _, g := range r.goroutines {
		if g.open {
			g.states[len(g.states)-1].to = r.whole.to
		}
		slices.SortFunc(g.samples, func(a, b sample) int { return int(a.at - b.at) })
	}
	for k, from := range r.ranges {
		if k.goroutine != trace.NoGoroutine && (k.name == markAssist || k.name == sweep) {
			g := r.of(k.goroutine)
			g.collect = append(g.collect, span{from, r.whole.to})
		}
	}
	for _, h := range r.hops {
		if !h.ended {
			h.resume(r.whole.to)
			h.to = r.whole.to
		}
	}
}

// during calls f for each state of the goroutine in a range of time, with the common
// range. Time without a known state is unclassified.
func (g *goroutine) during(in span, f func(common span, s *state)) {
	if g == nil {
		f(in, &state{span: in, kind: unclassified, waker: trace.NoGoroutine})
		return
	}
	i := sort.Search(len(g.states), func(i int) bool { return g.states[i].to > in.from })
	at := in.from
	for ; i < len(g.states) && g.states[i].from < in.to; i++ {
		s := &g.states[i]
		c := in.and(s.span)
		if c.len() == 0 {
			continue
		}
		if c.from > at {
			f(span{at, c.from}, &state{span: span{at, c.from}, kind: unclassified, waker: trace.NoGoroutine})
		}
		f(c, s)
		at = c.to
	}
	if at < in.to {
		f(span{at, in.to}, &state{span: span{at, in.to}, kind: unclassified, waker: trace.NoGoroutine})
	}
}
