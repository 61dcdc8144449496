package mcp

import (
	"cmp"
	"slices"
	"time"

	"github.com/tenhop/tenhop/trace"
)

// Folded is one request, folded: spans of one operation below the same caller are one
// row. Times are in milliseconds, after clock skew correction. Times of a row are sums
// over its spans, except LongestMS.
type Folded struct {
	TraceID    string  `json:"trace_id"`
	Service    string  `json:"service" jsonschema:"of the topmost span"`
	Operation  string  `json:"operation" jsonschema:"of the topmost span"`
	Started    string  `json:"started" jsonschema:"RFC 3339"`
	DurationMS float64 `json:"duration_ms" jsonschema:"of the topmost span"`
	Spans      int     `json:"spans"`
	Services   int     `json:"services"`
	Failed     int     `json:"failed_spans,omitempty"`
	Missing    int     `json:"missing_parents,omitempty" jsonschema:"spans whose parent is not in the trace"`
	Failure    *Origin `json:"failure,omitempty" jsonschema:"where the failure of the request begins"`
	Rows       []Row   `json:"rows" jsonschema:"own work on the critical path first"`

	MoreRows       int     `json:"more_rows,omitempty" jsonschema:"rows that did not fit; give the span of a row to see what is below it"`
	MoreSpans      int     `json:"more_spans,omitempty" jsonschema:"spans of these rows"`
	MoreCriticalMS float64 `json:"more_critical_ms,omitempty" jsonschema:"own time on the critical path of these rows"`
	MoreSelfMS     float64 `json:"more_self_ms,omitempty" jsonschema:"self time of these rows"`
}

// Row is one operation below one caller.
type Row struct {
	Service    string  `json:"service"`
	Operation  string  `json:"operation"`
	Kind       string  `json:"kind,omitempty"`
	Peer       string  `json:"peer,omitempty" jsonschema:"that the calls name"`
	Under      string  `json:"under,omitempty" jsonschema:"service and operation of the caller"`
	Depth      int     `json:"depth"`
	Spans      int     `json:"spans" jsonschema:"repeated siblings that are folded into this row"`
	Failed     int     `json:"failed,omitempty"`
	CriticalMS float64 `json:"critical_ms" jsonschema:"own time on the critical path"`
	SelfMS     float64 `json:"self_ms"`
	QueueMS    float64 `json:"queue_wait_ms,omitempty"`
	LongestMS  float64 `json:"longest_ms" jsonschema:"duration of the longest of the spans"`
	Span       string  `json:"span" jsonschema:"ID of the longest of the spans"`
}

// Origin is the place at which a failure begins.
type Origin struct {
	Service   string `json:"service"`
	Operation string `json:"operation"`
	Target    string `json:"target,omitempty"`
	Span      string `json:"span"`
	Message   string `json:"message,omitempty" jsonschema:"status message of the span"`
}

// keptRows is the number of rows of an answer before it is fitted.
const keptRows = 48

// sibling identifies the row of a span below the row of its parent.
type sibling struct {
	parent             int // row, or trace.None
	service, operation string
	kind               trace.Kind
	peer               string
}

// fold folds the spans from the span with the index below on, or all spans for
// trace.None.
func fold(tr *trace.Trace, below int) Folded {
	t := trace.NewTree(tr)
	out := Folded{TraceID: tr.ID, Services: len(tr.Services()), Missing: len(t.Missing()), Rows: []Row{}}
	top := below
	if top == trace.None {
		top = topmost(t)
	}
	if top == trace.None {
		return out
	}
	head := t.Span(top)
	out.Service, out.Operation, out.DurationMS = head.Service, head.Operation, inMS(t.Took(top))
	out.Started = head.Start.UTC().Format(time.RFC3339Nano)
	out.Failure = origin(tr)
	critical := make([]time.Duration, t.Len())
	for _, s := range t.CriticalPaths() {
		critical[s.Span] += s.Took()
	}
	rows := map[sibling]int{}
	of := make([]int, t.Len()) // row by span, or trace.None for a span that is not below
	for i := range of {
		of[i] = trace.None
	}
	for _, i := range t.Order() { // parents first
		s, parent := t.Span(i), t.Parent(i)
		above := trace.None
		if parent != trace.None {
			above = of[parent]
		}
		if below != trace.None && i != below && above == trace.None {
			continue
		}
		key := sibling{above, s.Service, s.Operation, s.Kind, s.Peer()}
		r, ok := rows[key]
		if !ok {
			r = len(out.Rows)
			rows[key] = r
			row := Row{Service: s.Service, Operation: s.Operation, Kind: string(s.Kind), Peer: key.peer, Depth: t.Depth(i), LongestMS: -1}
			if parent != trace.None {
				row.Under = label(t.Span(parent))
			}
			out.Rows = append(out.Rows, row)
		}
		of[i] = r
		out.Spans++
		if s.Failed {
			out.Failed++
		}
		out.Rows[r].add(t, i, critical[i])
	}
	slices.SortStableFunc(out.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.CriticalMS, a.CriticalMS), cmp.Compare(b.SelfMS, a.SelfMS), cmp.Compare(b.Failed, a.Failed))
	})
	out.keep(keptRows)
	return out
}

// add adds a span to its row.
func (r *Row) add(t *trace.Tree, i int, critical time.Duration) {
	s := t.Span(i)
	r.Spans++
	if s.Failed {
		r.Failed++
	}
	r.CriticalMS += inMS(critical)
	r.SelfMS += inMS(t.Self(i))
	if q, ok := t.Queue(i); ok {
		r.QueueMS += inMS(q.Took())
	}
	if took := inMS(t.Took(i)); took > r.LongestMS {
		r.LongestMS, r.Span = took, s.ID
	}
}

// keep leaves the first n rows and adds the others to the sums.
func (f *Folded) keep(n int) {
	for _, r := range f.Rows[min(n, len(f.Rows)):] {
		f.MoreRows++
		f.MoreSpans += r.Spans
		f.MoreCriticalMS += r.CriticalMS
		f.MoreSelfMS += r.SelfMS
	}
	f.Rows = f.Rows[:min(n, len(f.Rows))]
}

// leastRows is the number of rows that are never left out.
const leastRows = 8

func (f *Folded) shorten(bool) bool {
	if len(f.Rows) <= leastRows {
		return false
	}
	f.keep(len(f.Rows) - 1)
	return true
}

// origin returns where the failure of a request begins, or nil.
func origin(tr *trace.Trace) *Origin {
	i := trace.FirstFailing(tr)
	if i == trace.None {
		return nil
	}
	c := trace.Blame(tr, i)
	return &Origin{Service: c.Service, Operation: c.Operation, Target: c.Target, Span: tr.Spans[i].ID, Message: tr.Spans[i].StatusMessage}
}

// topmost returns the topmost span, as trace.Trace.Root does, or trace.None.
func topmost(t *trace.Tree) int {
	if len(t.Roots()) == 0 {
		return trace.None
	}
	return t.Roots()[0]
}

func label(s *trace.Span) string { return s.Service + " " + s.Operation }

func inMS(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
