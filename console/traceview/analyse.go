package traceview

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/trace"
)

// correlationKey is the attribute that holds a request's correlation ID.
const correlationKey = "correlation_id"

// New returns the view of a trace.
func New(tr *trace.Trace) *View {
	t := trace.NewTree(tr)
	v := &View{TraceID: tr.ID, trace: tr, Spans: make([]*Span, 0, t.Len()), Services: []Service{}}
	if t.Len() == 0 {
		return v
	}
	v.Start, v.Duration, v.Roots = t.Origin().UnixMicro(), t.Duration().Microseconds(), 1+len(t.Missing())
	b := builder{Tree: t, view: v, row: make([]int, t.Len())}
	for _, i := range slices.Concat(t.Order(), t.Duplicates()) {
		b.add(i)
	}
	for _, s := range t.CriticalPaths() {
		row := v.Spans[b.row[s.Span]]
		row.Critical = appendSegment(row.Critical, s)
	}
	for _, s := range v.Spans {
		slices.SortFunc(s.Critical, func(a, b Segment) int { return cmp.Compare(a[0], b[0]) })
	}
	v.services(t)
	return v
}

// builder converts the spans of a tree to rows.
type builder struct {
	*trace.Tree
	view *View
	row  []int // index of the row by index of the span
}

// add appends the row of a span.

func (b *builder) add(i int) {
	in := b.Span(i)
	s := &Span{ID: in.ID, Parent: -1, Depth: b.Depth(i), Service: in.Service, Operation: in.Operation,
		Kind:  string(cmp.Or(in.Kind, trace.Internal)),
		Start: b.Start(i).Microseconds(), Duration: b.Took(i).Microseconds(), Failed: in.Failed,
		Tags: fields(in.Attributes), Resource: fields(in.Resource), Busy: []Segment{}}
	if p := b.Parent(i); p != trace.None {
		s.Parent = b.row[p]
	}
	if in.Kind.Calls() {
		s.Peer = in.Peer()
	}
	if c := b.Callee(i); c != trace.None {
		s.callee = b.Span(c).Service
	}
	for _, e := range in.Events {
		s.Events = append(s.Events, b.event(i, e))
	}
	for _, g := range b.Busy(i) {
		s.Busy = appendSegment(s.Busy, g)
	}
	for _, g := range s.Busy {
		s.Self += g[1] - g[0]
	}
	if q, ok := b.Queue(i); ok {
		s.Queue = &Queue{Kind: q.Kind, From: q.From.Microseconds(), To: q.To.Microseconds()}
	}
	if c := in.Attributes[correlationKey]; b.view.Correlation == "" {
		b.view.Correlation = c
	}
	b.row[i] = len(b.view.Spans)
	b.view.Spans = append(b.view.Spans, s)
}

// event converts an event. If the repair of clock skew has moved the span, the event moves
// with it.
func (b *builder) event(i int, e trace.Event) Event {
	at := e.Time.Add(b.Shift(i)).Sub(b.Origin())
	out := Event{At: at.Microseconds(), Fields: []Field{}}
	if e.Name != "" {
		out.Fields = append(out.Fields, Field{"event", e.Name})
	}
	out.Fields = append(out.Fields, fields(e.Attributes)...)
	return out
}

// fields returns attributes sorted by key.
func fields(of map[string]string) []Field {
	out := make([]Field, 0, len(of))
	for k, v := range of {
		out = append(out, Field{k, v})
	}
	slices.SortFunc(out, func(a, b Field) int { return strings.Compare(a[0], b[0]) })
	return out
}

// appendSegment appends a segment in microseconds, unless it is empty after rounding.
func appendSegment(to []Segment, s trace.Segment) []Segment {
	from, end := s.From.Microseconds(), s.To.Microseconds()
	if from < end {
		return append(to, Segment{from, end})
	}
	return to
}

// services sums the rows and the root's critical path by service.
func (v *View) services(t *trace.Tree) {
	index := map[string]int{}
	for _, s := range v.Spans {
		i, ok := index[s.Service]
		if !ok {
			i = len(v.Services)
			index[s.Service] = i
			v.Services = append(v.Services, Service{Name: s.Service})
		}
		v.Services[i].Spans++
		if s.Failed {
			v.Services[i].Failed++
		}
	}
	for _, s := range t.CriticalPath(t.Roots()[0]) {
		v.Services[index[t.Span(s.Span).Service]].Self += s.To.Microseconds() - s.From.Microseconds()
	}
}
