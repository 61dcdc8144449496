// Package trace defines the trace model and analyses single traces.
//
// A Tree relates the spans of a trace to their parents and children, and corrects clock
// skew. It computes self times, critical paths and waits in queues. It also finds
// missing spans, and predicts the duration of the request with other self times.
// FirstFailing finds where a failure began.
//
// Package trace imports no other package of tenhop. Its subpackages decode the formats
// of Jaeger, OTLP, Tempo and Zipkin into this model.
package trace

import (
	"slices"
	"time"
)

// Trace holds the spans of one request, in no particular order.
type Trace struct {
	ID    string
	Spans []Span
}

// Bounds returns the recorded start of the first span and the recorded end of the
// last one. Both are zero for a trace without spans.
func (t *Trace) Bounds() (from, to time.Time) {
	for i := range t.Spans {
		s := &t.Spans[i]
		if i == 0 || s.Start.Before(from) {
			from = s.Start
		}
		if end := s.End(); i == 0 || end.After(to) {
			to = end
		}
	}
	return from, to
}

// Root returns the topmost span of the request: that of Tree.Root, or the first of
// Tree.Roots if all spans are in cycles. It is nil for a trace without spans.
func (t *Trace) Root() *Span {
	tree := NewTree(t)
	if len(tree.Roots()) == 0 {
		return nil
	}
	return tree.Span(tree.Roots()[0])
}

// Services returns the names of the services that have spans in the trace, sorted.
func (t *Trace) Services() []string {
	var names []string
	for i := range t.Spans {
		names = append(names, t.Spans[i].Service)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Kind is an OpenTelemetry span kind, in lower case; it is empty if the source does not
// specify it.
type Kind string

// Span kinds.
const (
	Server   Kind = "server"
	Client   Kind = "client"
	Producer Kind = "producer"
	Consumer Kind = "consumer"
	Internal Kind = "internal"
)

// Calls reports whether spans of the kind stand for a call to another service
// or to a queue.
func (k Kind) Calls() bool { return k == Client || k == Producer }

// Serves reports whether spans of the kind stand for the handling of a message.
func (k Kind) Serves() bool { return k == Server || k == Consumer }

// Span is one operation of a trace.
type Span struct {
	ID, Parent         string // Parent is empty for a root
	Service, Operation string
	Kind               Kind
	Start              time.Time
	Duration           time.Duration
	Failed             bool   // the span's status is an error
	StatusMessage      string `json:",omitempty"` // description of an error status
	Attributes         map[string]string
	Resource           map[string]string `json:",omitempty"` // shared by the spans of one resource; read-only
	Events             []Event           `json:",omitempty"`
	TraceState         string            `json:",omitempty"` // W3C tracestate
}

// Event is an event of a span, such as an exception.
type Event struct {
	Time       time.Time
	Name       string
	Attributes map[string]string
}

// End returns the time at which the span ended.
func (s *Span) End() time.Time { return s.Start.Add(s.Duration) }

// Attribute returns the value of an attribute of the span or, if it has none, of its
// resource.
func (s *Span) Attribute(key string) string {
	if v, ok := s.Attributes[key]; ok {
		return v
	}
	return s.Resource[key]
}

// peerKeys lists the attributes that name the peer of a client span, the most specific
// first.
var peerKeys = [...]string{"peer.service", "service.peer.name", "messaging.destination.name", "db.system.name", "db.system", "server.address", "net.peer.name"}

// Peer returns the logical name of the service or dependency that a client or producer
// span calls. It is empty if the span has no attribute for it.
func (s *Span) Peer() string {
	return PeerOf(func(key string) string { return s.Attributes[key] })
}

// PeerOf is Span.Peer for attributes that are not in a map. The function returns the value
// of an attribute, which is empty if there is none.
func PeerOf(attribute func(key string) string) string {
	for _, k := range peerKeys {
		if v := attribute(k); v != "" {
			return v
		}
	}
	return ""
}
