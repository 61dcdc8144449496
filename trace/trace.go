// Package trace holds the one model of a trace and the analysis of a single trace.
//
// A Tree has the parents and children of its spans, with clock skew repaired. It
// computes self times, critical paths, waits in queues, whether spans are missing,
// and how long the request would have taken with other self times. FirstFailing
// finds where a failure began.
//
// Package trace imports nothing of tenhop. The codecs beside it read the formats of
// Jaeger, OTLP, Tempo and Zipkin into this model.
package trace

import (
	"slices"
	"time"
)

// Trace is the spans of one request, in no particular order.
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

// Kind is the span kind of OpenTelemetry, in lower case; it is empty when the
// source does not tell.
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

// Event is a moment within a span, such as an exception.
type Event struct {
	Time       time.Time
	Name       string
	Attributes map[string]string
}

// End returns the time at which the span ended.
func (s *Span) End() time.Time { return s.Start.Add(s.Duration) }

// Attribute returns the value of the span's attribute, else of its resource's.
func (s *Span) Attribute(key string) string {
	if v, ok := s.Attributes[key]; ok {
		return v
	}
	return s.Resource[key]
}

// peerKeys are the attributes that name what a client's span calls, the most
// telling first.
var peerKeys = [...]string{"peer.service", "service.peer.name", "messaging.destination.name", "db.system.name", "db.system", "server.address", "net.peer.name"}

// Peer returns the logical name of what a client's or producer's span calls; it
// is empty when the span does not tell.
func (s *Span) Peer() string {
	for _, k := range peerKeys {
		if v := s.Attributes[k]; v != "" {
			return v
		}
	}
	return ""
}
