package traceview

import (
	"cmp"
	"math"
	"slices"
)

// Kinds of time.
const (
	Self       = "self"       // a hop's own
	Dependency = "dependency" // waiting for what sends no spans
	Link       = "link"       // between a caller and its callee
	QueueWait  = "queue"      // in a topic or an outbox
)

// Place is where time of a trace goes.
type Place struct {
	Service   string `json:"service"`
	Operation string `json:"operation"`
	Kind      string `json:"kind"`
	Target    string `json:"target,omitempty"`
}

// Spent is time and how often it was spent.
type Spent struct {
	Time  float64 `json:"time"` // microseconds
	Count float64 `json:"count"`
}

// Row compares a place in two traces, or in one and the mean of others.
type Row struct {
	Place
	A     Spent   `json:"a"`
	B     Spent   `json:"b"`
	Delta float64 `json:"delta"` // B - A, microseconds
}

// Places sums the time of a trace by place. Where calls ran in parallel the sum
// of all places is more than the trace's duration.
func (v *View) Places() map[Place]Spent {
	out := map[Place]Spent{}
	add := func(p Place, us int64) {
		s := out[p]
		out[p] = Spent{s.Time + float64(us), s.Count + 1}
	}
	for _, s := range v.Spans {
		hop := s
		for hop.call() && hop.Parent >= 0 {
			hop = v.Spans[hop.Parent]
		}
		if s.Queue != nil {
			add(Place{s.Service, s.Operation, QueueWait, s.Queue.Kind}, s.Queue.To-s.Queue.From)
		}
		switch {
		case !s.call():
			add(Place{s.Service, s.Operation, Self, ""}, s.Self)
		case s.callee != "":
			add(Place{s.Service, hop.Operation, Link, s.callee}, s.Self)
		default:
			add(Place{s.Service, hop.Operation, Dependency, cmp.Or(s.Peer, s.Operation)}, s.Self)
		}
	}
	return out
}

// Mean is the mean of several traces by place; a place that a trace lacks
// counts as nothing spent.
func Mean(views []*View) map[Place]Spent {
	out := map[Place]Spent{}
	for _, v := range views {
		for p, s := range v.Places() {
			sum := out[p]
			out[p] = Spent{sum.Time + s.Time, sum.Count + s.Count}
		}
	}
	n := float64(len(views))
	for p, s := range out {
		out[p] = Spent{s.Time / n, s.Count / n}
	}
	return out
}

// Compare lists all places of a and b, those that differ most first.
func Compare(a, b map[Place]Spent) []Row {
	places := map[Place]bool{}
	for p := range a {
		places[p] = true
	}
	for p := range b {
		places[p] = true
	}
	out := make([]Row, 0, len(places))
	for p := range places {
		out = append(out, Row{Place: p, A: a[p], B: b[p], Delta: b[p].Time - a[p].Time})
	}
	slices.SortFunc(out, func(x, y Row) int {
		return cmp.Or(cmp.Compare(math.Abs(y.Delta), math.Abs(x.Delta)), cmp.Compare(x.Service, y.Service),
			cmp.Compare(x.Operation, y.Operation), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Target, y.Target))
	})
	return out
}

// Usual is the second quarter of views by the duration of their first span:
// neither the fastest nor, while fewer than half are slow, any slow one.
func Usual(views []*View) []*View {
	sorted := slices.Clone(views)
	slices.SortFunc(sorted, func(a, b *View) int {
		return cmp.Or(cmp.Compare(a.Spans[0].Duration, b.Spans[0].Duration), cmp.Compare(a.TraceID, b.TraceID))
	})
	if n := len(sorted); n >= 4 {
		return sorted[n/4 : n/2]
	}
	return sorted
}
