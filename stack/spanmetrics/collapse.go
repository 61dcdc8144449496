package spanmetrics

import (
	"slices"
	"strconv"
	"time"

	"github.com/tenhop/tenhop/trace"
)

// collapsed is a trace of hops and calls: each hop is one span, whose children are its
// outgoing calls, whose children are the hops that they called. It reuses its memory.
type collapsed struct {
	whole trace.Tree // of the trace as it arrived
	tree  trace.Tree // of the hops and calls
	in    trace.Trace
	out   trace.Trace
	facts []*facts // of the spans of out
	hop   []bool   // whether a span of out is a hop
	lost  []bool   // whether a span of out descends from one whose parent is missing
	top   []bool   // the same, by span of in
	near  []int    // by span of in: nearest kept span, itself or an ancestor, in out
	calls []bool   // by span of in: whether a serving span descends from it

	origins []origin // by span of out
	ids     idSet    // of the spans of in
}

// load computes the hops and calls of a trace.
//
//   - A server or consumer span is a hop, unless it is a server span below another span
//     of the same hop: two instrumentations of one request.
//   - An internal span is a hop if its service has no other span that received the call,
//     and at the top of a trace if it calls a service.
//   - A client or producer span is a call, unless it is below a call of the same service:
//     a client library on top of another.
func (c *collapsed) load(records []record, roots callers, learn bool) {
	c.in.Spans, c.out.Spans, c.facts, c.hop = c.in.Spans[:0], c.out.Spans[:0], c.facts[:0], c.hop[:0]
	c.lost = c.lost[:0]
	for i := range records {
		c.in.Spans = append(c.in.Spans, records[i].span)
	}
	c.detach(roots, learn)
	c.whole.Load(&c.in)
	c.near = resize(c.near, len(records))
	c.calls = resize(c.calls, len(records))
	c.top = resize(c.top, len(records))
	order := c.whole.Order()
	for k := len(order) - 1; k >= 0; k-- {
		i := order[k]
		if p := c.whole.Parent(i); p != trace.None && (c.calls[i] || c.in.Spans[i].Kind.Serves()) {
			c.calls[p] = true
		}
	}
	for _, i := range order {
		above := trace.None
		p := c.whole.Parent(i)
		if p != trace.None {
			above, c.top[i] = c.near[p], c.top[p]
		} else {
			c.top[i] = c.in.Spans[i].Parent != ""
		}
		keep, hop := c.keep(i, p, above)
		if !keep {
			c.near[i] = above
			continue
		}
		c.near[i] = len(c.out.Spans)
		s := c.in.Spans[i]
		s.ID, s.Parent = strconv.Itoa(c.near[i]), ""
		if above != trace.None {
			s.Parent = strconv.Itoa(above)
		}
		c.out.Spans = append(c.out.Spans, s)
		c.facts = append(c.facts, &records[i].facts)
		c.hop = append(c.hop, hop)
		c.lost = append(c.lost, c.top[i])
	}
	c.tree.Load(&c.out)
	c.findOrigins()
}

// keep reports whether a span of in is kept, and whether it is a hop. above is the
// nearest kept ancestor.
func (c *collapsed) keep(i, parent, above int) (keep, hop bool) {
	s := &c.in.Spans[i]
	same := above != trace.None && c.out.Spans[above].Service == s.Service
	below := same && c.hop[above]
	switch {
	case s.Kind == trace.Server:
		return !below, !below
	case s.Kind == trace.Consumer:
		twice := below && c.out.Spans[above].Kind == trace.Consumer
		return !twice, !twice
	case s.Kind.Calls():
		return !same || below, false
	case parent == trace.None:
		return c.calls[i], c.calls[i]
	}
	return !same && above != trace.None, !same && above != trace.None
}

// detach makes the spans that are called from outside into roots, so that the tree does
// not look for a parent for them. A span that lies within a call stays as it is: a
// proxy between the two sends no spans. If learn is set, detach notes for each span
// that serves whether its parent arrived.
func (c *collapsed) detach(roots callers, learn bool) {
	c.ids.reset(len(c.in.Spans))
	for i := range c.in.Spans {
		c.ids.add(c.in.Spans[i].ID)
	}
	var within *enclosing // made when it is needed
	for i := range c.in.Spans {
		s := &c.in.Spans[i]
		if s.Parent == "" || !s.Kind.Serves() {
			continue
		}
		if c.ids.has(s.Parent) {
			if learn {
				roots.note(s, present)
			}
			continue
		}
		if within == nil {
			within = newEnclosing(c.in.Spans)
		}
		if within.has(s) {
			continue
		}
		if learn {
			roots.note(s, absent)
		}
		if roots.outside(s) {
			s.Parent = ""
		}
	}
}

// enclosing answers whether a span lies within a call of another service. A trace may
// have as many spans as are held, so the answer takes logarithmic time.
type enclosing struct {
	starts []time.Time // of the calls, in order
	ends   []latest    // of the calls up to each one
}

// latest holds the latest end of calls, and the latest one of another service.
type latest struct {
	service, other string
	end, otherEnd  time.Time
}

func (l latest) with(service string, end time.Time) latest {
	switch {
	case service == l.service:
		if end.After(l.end) {
			l.end = end
		}
	case l.service == "" || end.After(l.end):
		l = latest{service, l.service, end, l.end}
	case l.other == "" || end.After(l.otherEnd):
		l.other, l.otherEnd = service, end
	}
	return l
}

func newEnclosing(spans []trace.Span) *enclosing {
	var calls []*trace.Span
	for i := range spans {
		if spans[i].Kind.Calls() {
			calls = append(calls, &spans[i])
		}
	}
	slices.SortFunc(calls, func(a, b *trace.Span) int { return a.Start.Compare(b.Start) })
	e := &enclosing{}
	var l latest
	for _, s := range calls {
		l = l.with(s.Service, s.End())
		e.starts, e.ends = append(e.starts, s.Start), append(e.ends, l)
	}
	return e
}

// has reports whether a span lies within a call of another service.
func (e *enclosing) has(s *trace.Span) bool {
	n, _ := slices.BinarySearchFunc(e.starts, s.Start, func(start, at time.Time) int {
		if start.After(at) {
			return 1
		}
		return -1 // the first one after it
	})
	if n == 0 {
		return false
	}
	l := e.ends[n-1]
	if l.service == s.Service {
		return l.other != "" && !l.otherEnd.Before(s.End())
	}
	return !l.end.Before(s.End())
}

// missing returns whether a span of the trace lacks its parent.
func (c *collapsed) missing() bool {
	root := c.whole.Root()
	return len(c.whole.Missing()) > 0 || root != trace.None && c.in.Spans[root].Parent != ""
}

// origin identifies the hop and the entry of the request that a span belongs to.
type origin struct {
	at    int    // hop at the top, or trace.None
	name  string // of the entry, as the nearest hop recorded it; empty if none did
	async bool   // whether the flow to the span is asynchronous
}

// findOrigins computes the origins of all spans of out, from the top down.
func (c *collapsed) findOrigins() {
	c.origins = resize(c.origins, len(c.out.Spans))
	for _, i := range c.tree.Order() {
		o := origin{at: trace.None}
		if p := c.tree.Parent(i); p != trace.None {
			o = c.origins[p]
		}
		if c.hop[i] {
			if o.at == trace.None {
				o.at = i
			}
			o.async = o.async || c.out.Spans[i].Kind == trace.Consumer
			if e := c.facts[i].entry; e != "" {
				o.name = e
			}
		}
		c.origins[i] = o
	}
}

// entry returns the hop at which the request of a hop came in, the name of the entry,
// and whether the flow to the hop is asynchronous. The name is empty if no hop recorded
// it; it is then the operation of the hop at.
func (c *collapsed) entry(i int) (at int, name string, async bool) {
	o := c.origins[i]
	return o.at, o.name, o.async
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}
