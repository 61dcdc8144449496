package waterfall

import (
	"cmp"
	"slices"
	"time"
)

// Span is one span as the waterfall needs it.
type Span struct {
	ID, Parent         string
	Service, Operation string
	Kind               string // server, client, producer, consumer, internal
	Start              time.Time
	Duration           time.Duration
	Failed             bool
	Correlation        string
	Peer               string // whom a call is made to, where its span says so

	Self     time.Duration // Duration without the time in which a child ran
	Queue    time.Duration // of a consumer: from the end of its producer to its own start
	Critical bool          // the request's end waited for it

	depth    int
	children []*Span
}

// End is when the span ended.
func (s *Span) End() time.Time { return s.Start.Add(s.Duration) }

// Trace is one request.
type Trace struct {
	ID    string
	Spans []*Span // parents before children, siblings by their start
	Roots int     // spans whose parent is not in the trace, the root among them
}

// New puts spans in order and computes what New's caller does not know: self
// time, queue waits and the critical path. Spans of a cycle become roots.
func New(id string, spans []*Span) *Trace {
	t := &Trace{ID: id}
	byID := map[string]*Span{}
	for _, s := range spans {
		byID[s.ID] = s
		s.children = nil
	}
	var roots []*Span
	for _, s := range spans {
		p := byID[s.Parent]
		if p == nil || p == s || reaches(p, s, byID) {
			roots = append(roots, s)
			continue
		}
		p.children = append(p.children, s)
		if s.Kind == "consumer" {
			s.Queue = max(0, s.Start.Sub(p.End()))
		}
	}
	t.Roots = len(roots)
	byStart := func(a, b *Span) int { return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.ID, b.ID)) }
	slices.SortFunc(roots, byStart)
	var walk func(*Span, int)
	walk = func(s *Span, depth int) {
		s.depth = depth
		slices.SortFunc(s.children, byStart)
		s.Self = s.Duration - covered(s)
		t.Spans = append(t.Spans, s)
		for _, c := range s.children {
			walk(c, depth+1)
		}
	}
	for _, r := range roots {
		walk(r, 0)
	}
	if len(roots) > 0 {
		mark(roots[0])
	}
	return t
}

// reaches reports whether s is an ancestor of p: making it a child would close
// a cycle.
func reaches(p, s *Span, byID map[string]*Span) bool {
	for range len(byID) {
		if p == nil {
			return false
		}
		if p == s {
			return true
		}
		p = byID[p.Parent]
	}
	return true
}

// covered is the union of the children's intervals within the span.
func covered(s *Span) time.Duration {
	var sum time.Duration
	last := s.Start
	for _, c := range s.children { // by start
		from, to := c.Start, c.End()
		if from.Before(last) {
			from = last
		}
		if to.After(s.End()) {
			to = s.End()
		}
		if to.After(from) {
			sum += to.Sub(from)
			last = to
		}
	}
	return sum
}

// mark walks back from the end of s: the child that ended last before the
// moment under consideration is what it waited for. Work that follows s through
// a queue is marked by itself, back from its own end.
func mark(s *Span) {
	s.Critical = true
	at := s.End()
	for {
		var last *Span
		for _, c := range s.children {
			if !c.Critical && c.Start.Before(at) && !c.End().After(at) && (last == nil || c.End().After(last.End())) {
				last = c
			}
		}
		if last == nil {
			break
		}
		mark(last)
		at = last.Start
	}
	for _, c := range s.children {
		if c.Kind == "consumer" && !c.Critical {
			mark(c)
		}
	}
}

// Bounds is when the first span started and the last one ended.
func (t *Trace) Bounds() (from, to time.Time) {
	for i, s := range t.Spans {
		if i == 0 || s.Start.Before(from) {
			from = s.Start
		}
		if s.End().After(to) {
			to = s.End()
		}
	}
	return from, to
}

// Services returns the services of the trace, sorted.
func (t *Trace) Services() []string {
	var names []string
	for _, s := range t.Spans {
		names = append(names, s.Service)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
