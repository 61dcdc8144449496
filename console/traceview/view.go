package traceview

import (
	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/shape"
)

// View is an analysed trace. Times are microseconds since the start of the trace, durations
// are microseconds. Both are those after the repair of clock skew.
type View struct {
	TraceID     string    `json:"trace_id"`
	Start       int64     `json:"start"` // microseconds since 1970
	Duration    int64     `json:"duration"`
	Correlation string    `json:"correlation_id,omitempty"`
	Roots       int       `json:"roots"` // 1 + number of other spans whose parent is missing
	Services    []Service `json:"services"`
	Spans       []*Span   `json:"spans"` // parents before children, siblings by start; duplicates last

	// Shape is set by AddShape.
	Shape *shape.Shape `json:"shape,omitempty"`

	trace *trace.Trace
}

// AddShape sets Shape, which takes some replays of the trace.
func (v *View) AddShape() {
	s := shape.Of(v.trace)
	v.Shape = &s
}

// Service summarises the spans of one service in a trace.
type Service struct {
	Name  string `json:"name"`
	Spans int    `json:"spans"` // number of spans
	// Self is the time of the service on the root's critical path. It includes its waits
	// for dependencies without spans and its link gaps to callees. The sum over all
	// services is the root's duration.
	Self   int64 `json:"self"`
	Failed int   `json:"failed,omitempty"` // number of failed spans
}

// Span is one row of a View.
type Span struct {
	ID        string  `json:"id"`
	Parent    int     `json:"parent"` // index in View.Spans, or -1
	Depth     int     `json:"depth"`
	Service   string  `json:"service"`
	Operation string  `json:"operation"`
	Kind      string  `json:"kind"`
	Peer      string  `json:"peer,omitempty"` // service or dependency called
	Start     int64   `json:"start"`
	Duration  int64   `json:"duration"`
	Failed    bool    `json:"failed,omitempty"`
	Tags      []Field `json:"tags"`
	Resource  []Field `json:"resource,omitempty"`
	Events    []Event `json:"events,omitempty"`

	Self     int64     `json:"self"`               // self time
	Busy     []Segment `json:"busy"`               // segments of Self
	Critical []Segment `json:"critical,omitempty"` // segments on the critical path of the root or of an asynchronous span
	Queue    *Queue    `json:"queue,omitempty"`    // wait before the span

	callee string // service that handled the call
}

// Field is a pair of a key and its value.
type Field [2]string

// Event is an event of a span.
type Event struct {
	At     int64   `json:"at"`
	Fields []Field `json:"fields"`
}

// Segment is a time range: start and end.
type Segment [2]int64

// Queue is the queue wait of a record, in a topic or in an outbox.
type Queue struct {
	Kind string `json:"kind"` // topic or outbox
	From int64  `json:"from"`
	To   int64  `json:"to"`
}

// call reports whether the span is a call to another service or to a queue.
func (s *Span) call() bool { return trace.Kind(s.Kind).Calls() }
