package traceview

// View is a trace, analysed. Times are microseconds since its start.
type View struct {
	TraceID     string    `json:"trace_id"`
	Start       int64     `json:"start"` // microseconds since 1970
	Duration    int64     `json:"duration"`
	Correlation string    `json:"correlation_id,omitempty"`
	Roots       int       `json:"roots"` // more than one when spans are missing
	Services    []Service `json:"services"`
	Spans       []*Span   `json:"spans"` // parents before children, siblings by their start
}

// Service is one service's part of a trace.
type Service struct {
	Name   string `json:"name"`
	Spans  int    `json:"spans"`
	Self   int64  `json:"self"`
	Failed int    `json:"failed,omitempty"`
}

// Kinds of span, as Jaeger spells them.
const (
	kindServer   = "server"
	kindClient   = "client"
	kindProducer = "producer"
	kindConsumer = "consumer"
	kindInternal = "internal"
)

// Span is one span, placed and measured.
type Span struct {
	ID        string  `json:"id"`
	ParentID  string  `json:"-"`
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

	Self     int64     `json:"self"`               // without the time of what it called
	Busy     []Segment `json:"busy"`               // when that was
	Critical []Segment `json:"critical,omitempty"` // when the end waited for this span itself
	Queue    *Queue    `json:"queue,omitempty"`    // wait before it

	children []*Span
	async    []*Span
	entered  bool
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

func (s *Span) end() int64 { return s.Start + s.Duration }

// call reports whether a span is a wait for somebody else.
func (s *Span) call() bool { return s.Kind == kindClient || s.Kind == kindProducer }

func (s *Span) tag(key string) string {
	for _, t := range s.Tags {
		if t[0] == key {
			return t[1]
		}
	}
	return ""
}
