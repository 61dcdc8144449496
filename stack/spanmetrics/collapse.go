package spanmetrics

import (
	"strconv"

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
	ids := make(map[string]bool, len(c.in.Spans))
	for i := range c.in.Spans {
		ids[c.in.Spans[i].ID] = true
	}
	for i := range c.in.Spans {
		s := &c.in.Spans[i]
		switch {
		case s.Parent == "" || !s.Kind.Serves():
		case ids[s.Parent]:
			if learn {
				roots.note(s, present)
			}
		case !c.called(s):
			if learn {
				roots.note(s, absent)
			}
			if roots.outside(s) {
				s.Parent = ""
			}
		}
	}
}

// called reports whether a span lies within a call of another service.
func (c *collapsed) called(s *trace.Span) bool {
	for i := range c.in.Spans {
		o := &c.in.Spans[i]
		if o.Kind.Calls() && o.Service != s.Service && !o.Start.After(s.Start) && !o.End().Before(s.End()) {
			return true
		}
	}
	return false
}

// missing returns whether a span of the trace lacks its parent.
func (c *collapsed) missing() bool {
	root := c.whole.Root()
	return len(c.whole.Missing()) > 0 || root != trace.None && c.in.Spans[root].Parent != ""
}

// entry returns the hop at which the request of a hop came in, the name of the entry,
// and whether the flow to the hop is asynchronous. The name is empty if no hop recorded
// it; it is then the operation of the hop at.
func (c *collapsed) entry(i int) (at int, name string, async bool) {
	at = trace.None
	for {
		if c.hop[i] {
			at = i
			async = async || c.out.Spans[i].Kind == trace.Consumer
			if name == "" {
				name = c.facts[i].entry
			}
		}
		p := c.tree.Parent(i)
		if p == trace.None {
			break
		}
		i = p
	}
	return at, name, async
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}
