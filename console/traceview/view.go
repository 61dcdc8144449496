package traceview

import "github.com/tenhop/tenhop/trace"

// View is a trace, analysed. Times are microseconds since its start, after the
// repair of clock skew.
type View struct {
	TraceID     string    `json:"trace_id"`
	Start       int64     `json:"start"` // microseconds since 1970
	Duration    int64     `json:"duration"`
	Correlation string    `json:"correlation_id,omitempty"`
	Roots       int       `json:"roots"` // 1, and one for each span but the root whose parent is missing
	Services    []Service `json:"services"`
	Spans       []*Span   `json:"spans"` // parents before children, siblings by their start; the root first, duplicates last
}

// Service is one service's part of a trace.
type Service struct {
	Name  string `json:"name"`
	Spans int    `json:"spans"`
	// Self is the service's part of the root's critical path: its own work, its waits
	// for dependencies that send no spans, and the links to its callees. The parts of
	// all services add up to the root's duration.
	Self   int64 `json:"self"`
	Failed int   `json:"failed,omitempty"`
}

// Span is one span, placed and measured.
type Span struct {
	ID        string  `json:"id"`
	Parent    int     `json:"parent"` // index, -1 for none
	Depth     int     `json:"depth"`
	Service   string  `json:"service"`
	Operation string  `json:"operation"`
	Kind      string  `json:"kind"`
	Peer      string  `json:"peer,omitempty"` // who a call is for
	Start     int64   `json:"start"`
	Duration  int64   `json:"duration"`
	Failed    bool    `json:"failed,omitempty"`
	Tags      []Field `json:"tags"`
	Resource  []Field `json:"resource,omitempty"`
	Events    []Event `json:"events,omitempty"`

	Self     int64     `json:"self"`               // duration without the time of the children that were waited for
	Busy     []Segment `json:"busy"`               // when that was
	Critical []Segment `json:"critical,omitempty"` // its part of a critical path: the root's, or that of an asynchronous span
	Queue    *Queue    `json:"queue,omitempty"`    // wait before it

	callee string // service of the span that handled the call
}

// Field is a key and its value as text.
type Field [2]string

// Event is something that a span logged.
type Event struct {
	At     int64   `json:"at"`
	Fields []Field `json:"fields"`
}

// Segment is from and to.
type Segment [2]int64

// Queue is a wait in a topic, or in an outbox before it.
type Queue struct {
	Kind string `json:"kind"` // topic or outbox
	From int64  `json:"from"`
	To   int64  `json:"to"`
}

// call reports whether the span is a call to another service or to a queue.
func (s *Span) call() bool { return trace.Kind(s.Kind).Calls() }
