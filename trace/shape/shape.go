// Package shape describes the shape of a request: how many hops lie behind each other,
// which calls follow each other, which two services talk much, and how much of the
// duration is links rather than work. It predicts the duration with calls side by side,
// with calls merged, and without links.
package shape

import (
	"time"

	"github.com/tenhop/tenhop/trace"
)

// listed is the maximum number of entries of each list of a Shape.
const listed = 20

// minSaving is the fraction of the duration that calls side by side must save to be
// listed. It was chosen on traces of the storefront.
const minSaving = .01

// Shape is the shape of one request. Times are in milliseconds, after clock skew
// correction; ratios are fractions. Lists are never nil and have at most 20 entries.
type Shape struct {
	TraceID    string  `json:"trace_id"`
	Service    string  `json:"service"` // of the entry
	Operation  string  `json:"operation"`
	DurationMS float64 `json:"duration_ms"` // of the entry's span
	Spans      int     `json:"spans"`
	Services   int     `json:"services"`
	Calls      int     `json:"calls"` // to services and stores

	Depth Depth `json:"depth"`
	Time  Time  `json:"time"`

	// Sequential lists calls of one span that follow each other closely, those first that
	// would save most side by side. A trace does not show whether a call needs the
	// response to the one before it, so they are suspected only.
	Sequential []Sequential `json:"sequential"`

	// Chatty lists the pairs between which there are many calls.
	Chatty []Chatty `json:"chatty"`

	// SharedStores lists the databases that spans of several services name.
	SharedStores []SharedStore `json:"shared_stores"`

	// WhatIf predicts the duration of the request if it had another shape.
	WhatIf []WhatIf `json:"what_if"`

	// Notes holds what the trace cannot show, one sentence each.
	Notes []string `json:"notes"`
}

// Depth is the number of hops behind each other.
type Depth struct {
	// Hops is the length of the longest chain of hops each of which waited for the next
	// one, the entry included.
	Hops int `json:"hops"`
	// Path holds the services of that chain.
	Path []string `json:"path"`
	// WithQueues is the length of the longest chain if messages are followed, too.
	WithQueues int `json:"with_queues"`
}

// Time splits the entry's duration by its critical path.
type Time struct {
	WorkMS float64 `json:"work_ms"` // own time of hops
	LinkMS float64 `json:"link_ms"` // between calls and the hops that answered them

	// OtherMS is the time in calls that nothing with spans answered: stores, brokers and
	// services without spans. Their links cannot be told from their work.
	OtherMS   float64 `json:"other_ms"`
	LinkShare float64 `json:"link_share"`

	// CallsOnPath is the number of calls on the critical path.
	CallsOnPath int `json:"calls_on_path"`
}

// Call is a call, or a span that wraps one.
type Call struct {
	Target     string  `json:"target"`    // service or dependency
	Operation  string  `json:"operation"` // of the target if it sends spans
	DurationMS float64 `json:"duration_ms"`
}

// Sequential is a row of calls of one span that follow each other.
type Sequential struct {
	Service   string `json:"service"` // the caller
	Operation string `json:"operation"`
	Span      string `json:"span_id"`
	Count     int    `json:"count"`
	Calls     []Call `json:"calls"` // the first 20

	// Alike: all calls have one target and operation, as those of a loop.
	Alike bool    `json:"alike"`
	GapMS float64 `json:"max_gap_ms"` // longest time between two of them

	// Clocks: the caller sends no client spans, so the times are those of other clocks.
	Clocks bool `json:"other_clocks"`

	// SavedMS is what the request would save if the longest call covered the others.
	SavedMS float64 `json:"saved_ms"`
}

// Chatty is a pair of a service and a target with many calls in one request.
type Chatty struct {
	Service   string `json:"service"`
	Target    string `json:"target"`
	Calls     int    `json:"calls"`
	Operation string `json:"operation"` // the most frequent one
	Of        int    `json:"of_operation"`

	// PerHop is the largest number of calls of one operation that one hop made. NPlusOne
	// is set if that alone makes the pair chatty.
	PerHop   int  `json:"per_hop"`
	NPlusOne bool `json:"n_plus_one"`

	CallsMS float64 `json:"calls_ms"` // sum of the durations
	LinkMS  float64 `json:"link_ms"`  // sum of the links; 0 if the target sends no spans

	// SavedMS is what the request would save at most if each hop made one call that does
	// the work of all. The links of the other calls are left out. If the target sends no
	// spans, the shortest call bounds its link.
	SavedMS float64 `json:"saved_ms"`
}

// Changes of WhatIf.
const (
	Parallel       = "parallel"        // the sequential calls run side by side
	Merged         = "merged"          // each hop makes one call per chatty pair
	ParallelMerged = "parallel_merged" // both
	OneProcess     = "one_process"     // no call takes longer than its callee
)

// WhatIf is the predicted duration of the request after a change.
type WhatIf struct {
	Change     string  `json:"change"`
	DurationMS float64 `json:"duration_ms"`
	SavedMS    float64 `json:"saved_ms"`
}

// Of returns the shape of a trace. It takes O(n log n) time, where n is the number of
// spans.
func Of(tr *trace.Trace) Shape {
	t := trace.NewTree(tr)
	out := Shape{TraceID: tr.ID, Spans: t.Len(), Services: len(tr.Services()), Depth: Depth{Path: []string{}},
		Sequential: []Sequential{}, Chatty: []Chatty{}, WhatIf: []WhatIf{}, Notes: []string{}}
	out.SharedStores = sharedStoresOf(tr)
	entry := t.Entry()
	if entry == trace.None && len(t.Roots()) > 0 {
		entry = t.Roots()[0] // all spans are in cycles
	}
	if entry == trace.None {
		return out
	}
	a := newAnalysis(t, entry)
	out.Service, out.Operation, out.DurationMS = t.Span(entry).Service, t.Span(entry).Operation, inMS(t.Took(entry))
	out.Calls = len(a.calls)
	out.Depth, out.Time = a.depth(), a.time()
	runs, pairs := a.sequential(), a.chatty()
	for _, r := range runs {
		out.Sequential = append(out.Sequential, r.Sequential)
	}
	for _, p := range pairs {
		out.Chatty = append(out.Chatty, p.Chatty)
	}
	out.WhatIf = a.whatIf(runs, pairs)
	out.Notes = a.notes()
	return out
}

func inMS(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
