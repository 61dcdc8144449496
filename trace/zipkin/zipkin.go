// Package zipkin reads traces in the JSON of Zipkin's API, version 2.
package zipkin

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/internal/jsonscan"
)

// Unmarshal passes the spans of an array of spans, or of an array of traces, to add.
func Unmarshal(b []byte, add func(traceID string, s trace.Span)) error {
	var d Decoder
	err := d.Decode(b)
	d.Flush(add)
	return err
}

// Decoder reads spans and buffers them until Flush. A server may report its span under
// the ID of the client span, which is visible only if both are known. The zero value is
// ready to use.
type Decoder struct {
	names, values jsonscan.Intern
	held          []span
	pairs         []pair // buffer for one map, reused
}

type pair struct{ key, value string }

type span struct {
	trace.Span
	traceID string
	problem error
}

// Decode reads a span, an array of spans or an array of traces. A span that cannot be
// read is skipped and reported in the error.
func (d *Decoder) Decode(b []byte) error {
	r := reader{Decoder: d, Scanner: jsonscan.New(b)}
	r.value(0)
	if err := r.Err(); err != nil {
		return fmt.Errorf("not Zipkin's JSON: %w", err)
	}
	if r.bad > 1 {
		return fmt.Errorf("%w; %d more spans cannot be read", r.first, r.bad-1)
	}
	return r.first
}

// Held returns the number of buffered spans.
func (d *Decoder) Held() int { return len(d.held) }

// Flush passes the spans read so far to add, grouped by trace.
func (d *Decoder) Flush(add func(traceID string, s trace.Span)) {
	traces := map[string][]*span{}
	var order []string
	for i := range d.held {
		s := &d.held[i]
		if traces[s.traceID] == nil {
			order = append(order, s.traceID)
		}
		traces[s.traceID] = append(traces[s.traceID], s)
	}
	for _, id := range order {
		spans := traces[id]
		separate(spans)
		for _, s := range spans {
			add(id, s.Span)
		}
	}
	d.held = nil
}

// separate assigns a new ID to each client span that shares its ID with a server span.
// The children of that ID belong to the server span.
func separate(spans []*span) {
	clients := map[string]*span{}
	for _, s := range spans {
		if s.Kind.Calls() {
			clients[s.ID] = s
		}
	}
	for _, s := range spans {
		if c := clients[s.ID]; c != nil && s.Kind.Serves() {
			s.Parent = s.ID + "-client"
		}
	}
	for _, s := range spans {
		if s.Kind.Serves() && s.Parent == s.ID+"-client" {
			clients[s.ID].ID = s.Parent
		}
	}
}

// reader reads one JSON value.
type reader struct {
	*Decoder
	*jsonscan.Scanner
	bad   int
	first error // error of the first span that cannot be read
}

// value reads a span or an array of values. Responses have at most two levels of
// arrays.
func (r *reader) value(depth int) {
	if r.Next() == '[' && depth < 3 {
		r.Array(func() { r.value(depth + 1) })
		return
	}
	s := r.span()
	if r.Err() != nil {
		return
	}
	if s.problem != nil {
		if r.bad++; r.first == nil {
			r.first = s.problem
		}
		return
	}
	r.held = append(r.held, s)
}

func (r *reader) span() span {
	var s span
	var remote string
	r.Object(func(key []byte) {
		switch string(key) {
		case "traceId":
			s.traceID = string(r.Text())
		case "id":
			s.ID = string(r.Text())
		case "parentId":
			s.Parent = string(r.Text())
		case "name":
			s.Operation = r.names.Get(r.Text())
		case "kind":
			s.Kind = trace.Kind(strings.ToLower(r.names.Get(r.Text())))
		case "timestamp":
			s.Start = r.time(&s)
		case "duration":
			s.Duration = time.Duration(min(max(0, r.micros(&s, "duration")), math.MaxInt64/1000)) * time.Microsecond
		case "localEndpoint":
			s.Service = r.endpoint()
		case "remoteEndpoint":
			remote = r.endpoint()
		case "tags":
			s.Attributes = r.tags()
		case "annotations":
			r.Array(func() {
				if len(s.Events) < jsonscan.MaxItems {
					s.Events = append(s.Events, r.annotation(&s))
				}
			})
		}
	})
	if s.traceID == "" && s.problem == nil && r.Err() == nil {
		s.problem = fmt.Errorf("span %q has no traceId", jsonscan.Clip(s.ID))
	}
	if s.Attributes == nil {
		s.Attributes = map[string]string{}
	}
	if _, told := s.Attributes["peer.service"]; !told && remote != "" && s.Kind.Calls() {
		s.Attributes["peer.service"] = remote
	}
	// A span has failed if it has this tag. The value is the description.
	if message, ok := s.Attributes["error"]; ok && message != "false" {
		s.Failed = true
		if message != "true" {
			s.StatusMessage = message
		}
	}
	return s
}

// time reads a time in microseconds since the Unix epoch. A missing time is the epoch.
func (r *reader) time(s *span) time.Time { return time.UnixMicro(r.micros(s, "timestamp")) }

func (r *reader) micros(s *span, key string) int64 {
	v, ok := r.Int()
	if !ok && s.problem == nil {
		s.problem = fmt.Errorf("span %q: %s is not a number", jsonscan.Clip(s.ID), key)
	}
	return v
}

func (r *reader) endpoint() (service string) {
	r.Object(func(key []byte) {
		if string(key) == "serviceName" {
			service = r.names.Get(r.Text())
		}
	})
	return service
}

func (r *reader) annotation(s *span) trace.Event {
	var e trace.Event
	r.Object(func(key []byte) {
		switch string(key) {
		case "timestamp":
			e.Time = r.time(s)
		case "value":
			e.Name = r.names.Get(r.Text())
		}
	})
	return e
}

func (r *reader) tags() map[string]string {
	r.pairs = r.pairs[:0]
	r.Object(func(key []byte) {
		if len(r.pairs) == jsonscan.MaxItems {
			return
		}
		name := r.names.Get(key)
		r.pairs = append(r.pairs, pair{name, r.values.Get(r.Text())})
	})
	out := make(map[string]string, len(r.pairs)+1)
	for _, p := range r.pairs {
		out[p.key] = p.value
	}
	return out
}
