package traceview

import (
	"cmp"
	"math"
	"slices"
)

// Kinds of place.
const (
	Self       = "self"       // self time of a hop
	Dependency = "dependency" // wait for a dependency without spans
	Link       = "link"       // link gap between a caller and its callee
	QueueWait  = "queue"      // queue wait in a topic or an outbox
)

// Place identifies where a trace spends time. Service and Operation are those of the hop;
// Target is the dependency, the callee, or the kind of queue.
type Place struct {
	Service   string `json:"service"`
	Operation string `json:"operation"`
	Kind      string `json:"kind"`
	Target    string `json:"target,omitempty"`
}

// Spent holds the time at a place and the number of spans or queue waits.
type Spent struct {
	Time  float64 `json:"time"` // microseconds
	Count float64 `json:"count"`
}

// Row compares the time at a place between two traces or means of traces.
type Row struct {
	Place
	A     Spent   `json:"a"`
	B     Spent   `json:"b"`
	Delta float64 `json:"delta"` // B - A, microseconds
}

// Places returns the time of a trace by place. If calls ran in parallel, the sum is greater
// than the duration of the trace.
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

// Mean returns the mean of several traces by place. A place that is missing from a trace
// counts as 0.
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

// Compare returns all places of a and b in descending order of the absolute difference.
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

// Usual returns the second quarter of views in ascending order of the duration of their
// first span, or all if there are fewer than four. As long as fewer than half are slow, it
// contains no slow one.
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
