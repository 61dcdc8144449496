package traceview

import (
	"cmp"
	"slices"
	"strconv"
)

// queueTag is the wait of a record in its topic, milliseconds, as the middleware measured it.
const queueTag = "hop.queue_wait_ms"

// New analyses spans whose Start is microseconds since 1970. It takes them over.
func New(id string, spans []*Span) *View {
	v := &View{TraceID: id, Spans: make([]*Span, 0, len(spans)), Services: []Service{}}
	if len(spans) == 0 {
		return v
	}
	v.Start = slices.MinFunc(spans, func(a, b *Span) int { return cmp.Compare(a.Start, b.Start) }).Start
	for _, s := range spans {
		s.Start -= v.Start
		for i := range s.Events {
			s.Events[i].At -= v.Start
		}
		v.Duration = max(v.Duration, s.end())
		if c := s.tag("correlation_id"); v.Correlation == "" {
			v.Correlation = c
		}
	}
	roots := link(spans)
	v.Roots = len(roots)
	for _, r := range roots {
		v.lay(r, -1, 0)
	}
	for _, r := range roots {
		r.critical(r.end())
	}
	v.services()
	return v
}

// link finds each span's parent and returns the spans that have none here.
// A span of each cycle becomes a root.
func link(spans []*Span) []*Span {
	byID := make(map[string]*Span, len(spans))
	for _, s := range spans {
		byID[s.ID] = s
	}
	cut := cycles(spans, byID)
	var roots []*Span
	for _, s := range spans {
		p := byID[s.ParentID]
		switch {
		case p == nil || byID[s.ID] != s || cut[s]:
			s.ParentID = ""
			roots = append(roots, s)
		case s.Kind == kindConsumer || s.Start >= p.end() && p.Duration > 0:
			p.async = append(p.async, s)
			s.waited(p)
		default:
			p.children = append(p.children, s)
		}
	}
	slices.SortFunc(roots, byStart)
	return roots
}

func byStart(a, b *Span) int {
	return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.ID, b.ID))
}

// cycles returns one span of every cycle of parents, in time that grows with the
// number of spans: chains of thousands exist, where a context leaks from one turn
// of a loop into the next.
func cycles(spans []*Span, byID map[string]*Span) map[*Span]bool {
	cut := map[*Span]bool{}
	walk := make(map[*Span]int, len(spans)) // the walk that came by first
	for i, s := range spans {
		for p := s; p != nil; p = byID[p.ParentID] {
			if first, seen := walk[p]; seen {
				if first == i {
					cut[p] = true
				}
				break
			}
			walk[p] = i
		}
	}
	return cut
}

// waited sets the wait between a span and the one that caused it: a record in
// its topic, or a row in an outbox until somebody published it.
func (s *Span) waited(p *Span) {
	switch s.Kind {
	case kindConsumer:
		from := min(p.end(), s.Start)
		if ms, err := strconv.ParseFloat(s.tag(queueTag), 64); err == nil && ms >= 0 {
			from = max(p.Start, s.Start-int64(1000*ms))
		}
		if from < s.Start {
			s.Queue = &Queue{Kind: "topic", From: from, To: s.Start}
		}
	case kindProducer:
		if p.end() < s.Start {
			s.Queue = &Queue{Kind: "outbox", From: p.end(), To: s.Start}
		}
	}
}

// lay puts a span and what it caused into the list and measures it.
func (v *View) lay(s *Span, parent, depth int) {
	s.Parent, s.Depth = parent, depth
	at := len(v.Spans)
	v.Spans = append(v.Spans, s)
	slices.SortFunc(s.children, byStart)
	s.Busy = s.uncovered()
	for _, b := range s.Busy {
		s.Self += b[1] - b[0]
	}
	below := slices.Concat(s.children, s.async)
	slices.SortFunc(below, byStart)
	for _, c := range below {
		v.lay(c, at, depth+1)
	}
}

// uncovered is the time of a span in which no child ran.
func (s *Span) uncovered() []Segment {
	out := []Segment{}
	at := s.Start
	for _, c := range s.children { // by start
		if from := min(c.Start, s.end()); from > at {
			out = append(out, Segment{at, from})
		}
		at = max(at, c.end())
	}
	if at < s.end() {
		out = append(out, Segment{at, s.end()})
	}
	return out
}

// critical walks back from a moment within s: the child that ended last before
// it is what s waited for, the rest is s itself. What s caused and did not wait
// for has a path of its own, from its own end.
func (s *Span) critical(until int64) {
	s.entered = true
	at := min(until, s.end())
	limit := at
	byEnd := slices.Clone(s.children)
	slices.SortFunc(byEnd, func(a, b *Span) int { return cmp.Or(cmp.Compare(b.end(), a.end()), cmp.Compare(a.ID, b.ID)) })
	for _, c := range byEnd {
		if c.Start >= at || c.end() <= s.Start {
			continue
		}
		// A call that its caller did not wait for ends after it.
		to := min(c.end(), at)
		if c.end() > at && at < limit {
			continue // it ran beside the one that was waited for
		}
		s.mark(to, at)
		c.critical(to)
		at = max(c.Start, s.Start)
	}
	s.mark(s.Start, at)
	slices.Reverse(s.Critical)
	for _, c := range s.async {
		c.critical(c.end())
	}
	for _, c := range s.children {
		if !c.entered {
			c.followers()
		}
	}
}

// followers gives what was caused off the path its own path.
func (s *Span) followers() {
	for _, c := range s.async {
		c.critical(c.end())
	}
	for _, c := range s.children {
		c.followers()
	}
}

func (s *Span) mark(from, to int64) {
	if from < to {
		s.Critical = append(s.Critical, Segment{from, to})
	}
}

func (v *View) services() {
	index := map[string]int{}
	for _, s := range v.Spans {
		i, ok := index[s.Service]
		if !ok {
			i = len(v.Services)
			index[s.Service] = i
			v.Services = append(v.Services, Service{Name: s.Service})
		}
		v.Services[i].Spans++
		if !s.call() {
			v.Services[i].Self += s.Self
		}
		if s.Failed {
			v.Services[i].Failed++
		}
	}
}
