package waterfall

import (
	"time"

	"github.com/tenhop/tenhop/trace"
)

// Waterfall is a trace with its times, as printed by `tenhop trace --json`. Times are
// in milliseconds, after clock skew correction.
type Waterfall struct {
	TraceID    string  `json:"trace_id"`
	DurationMS float64 `json:"duration_ms"`
	Services   int     `json:"services"`
	Missing    int     `json:"missing_parents"` // spans whose parent is not in the trace
	Spans      []Span  `json:"spans"`           // parents before children
}

// Span is one span of a Waterfall.
type Span struct {
	ID         string  `json:"id"`
	Parent     string  `json:"parent,omitempty"`
	Depth      int     `json:"depth"`
	Service    string  `json:"service"`
	Operation  string  `json:"operation"`
	Kind       string  `json:"kind,omitempty"`
	Peer       string  `json:"peer,omitempty"` // that a call names
	StartMS    float64 `json:"start_ms"`       // since the start of the trace
	DurationMS float64 `json:"duration_ms"`
	SelfMS     float64 `json:"self_ms"`
	CriticalMS float64 `json:"critical_ms"` // own time on the critical path
	QueueMS    float64 `json:"queue_wait_ms,omitempty"`
	Failed     bool    `json:"failed"`
	Duplicate  bool    `json:"duplicate,omitempty"` // it has the ID of another span
}

// Describe returns the times of a trace.
func Describe(tr *trace.Trace) Waterfall {
	t := trace.NewTree(tr)
	critical := make([]time.Duration, t.Len())
	for _, s := range t.CriticalPaths() {
		critical[s.Span] += s.Took()
	}
	out := Waterfall{TraceID: tr.ID, DurationMS: inMS(t.Duration()), Services: len(tr.Services()), Missing: len(t.Missing()), Spans: []Span{}}
	add := func(i int, duplicate bool) {
		s := t.Span(i)
		d := Span{ID: s.ID, Parent: s.Parent, Depth: t.Depth(i), Service: s.Service, Operation: s.Operation, Kind: string(s.Kind), Peer: s.Peer(),
			StartMS: inMS(t.Start(i)), DurationMS: inMS(t.Took(i)), SelfMS: inMS(t.Self(i)), CriticalMS: inMS(critical[i]),
			Failed: s.Failed, Duplicate: duplicate}
		if q, ok := t.Queue(i); ok {
			d.QueueMS = inMS(q.Took())
		}
		out.Spans = append(out.Spans, d)
	}
	for _, i := range t.Order() {
		add(i, false)
	}
	for _, i := range t.Duplicates() {
		add(i, true)
	}
	return out
}

func inMS(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
