package otlp

import (
	"fmt"
	"strings"
	"time"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/internal/jsonscan"
)

// UnmarshalJSON passes the spans of a TracesData message in JSON to add.
func UnmarshalJSON(b []byte, add func(traceID string, s trace.Span)) error {
	return new(Decoder).Decode(b, add)
}

// Decoder reads JSON. It interns recurring strings, so one Decoder should read many
// messages. The zero value is ready to use.
type Decoder struct {
	names, values jsonscan.Intern
	pairs         []pair // buffer for one map, reused
}

type pair struct{ key, value string }

// Decode passes the spans of a message to add. The spans of one resource share their
// Resource map. A span that cannot be read is skipped and reported in the error.
func (d *Decoder) Decode(b []byte, add func(traceID string, s trace.Span)) error {
	r := reader{Decoder: d, Scanner: jsonscan.New(b), add: add}
	r.Object(func(key []byte) {
		switch string(key) {
		case "resourceSpans", "resource_spans":
			r.Array(r.resourceSpans)
		}
	})
	return r.done()
}

// DecodeList is Decode for the value of a message's field resourceSpans.
func (d *Decoder) DecodeList(b []byte, add func(traceID string, s trace.Span)) error {
	r := reader{Decoder: d, Scanner: jsonscan.New(b), add: add}
	r.Array(r.resourceSpans)
	return r.done()
}

// reader reads one JSON value.
type reader struct {
	*Decoder
	*jsonscan.Scanner
	add      func(string, trace.Span)
	resource map[string]string
	bad      int
	first    error // error of the first span that cannot be read
}

func (r *reader) done() error {
	switch err := r.Err(); {
	case err != nil:
		return fmt.Errorf("not OTLP: %w", err)
	case r.bad > 1:
		return fmt.Errorf("not OTLP: %w; %d more spans cannot be read", r.first, r.bad-1)
	case r.bad == 1:
		return fmt.Errorf("not OTLP: %w", r.first)
	}
	return nil
}

func (r *reader) resourceSpans() {
	r.resource = nil
	var early [][]byte // scope spans that precede their resource
	r.Object(func(key []byte) {
		switch string(key) {
		case "resource":
			r.Object(func(key []byte) {
				if string(key) == "attributes" {
					r.resource = r.attributes()
				}
			})
		case "scopeSpans", "scope_spans", "instrumentationLibrarySpans", "instrumentation_library_spans":
			if r.resource == nil {
				early = append(early, r.Raw())
				return
			}
			r.Array(r.scopeSpans)
		}
	})
	if r.Err() != nil {
		return
	}
	for _, raw := range early {
		in := reader{Decoder: r.Decoder, Scanner: jsonscan.New(raw), add: r.add, resource: r.resource}
		in.Array(in.scopeSpans)
		if r.bad += in.bad; r.first == nil {
			r.first = in.first
		}
	}
}

func (r *reader) scopeSpans() {
	r.Object(func(key []byte) {
		if string(key) == "spans" {
			r.Array(r.span)
		}
	})
}

func (r *reader) span() {
	s := trace.Span{Service: r.resource[serviceName], Resource: r.resource}
	var traceID string
	var start, end int64
	var problem error
	id := func(field string, size int) string {
		text := r.Text()
		v, ok := id(text, size)
		if !ok && problem == nil {
			problem = fmt.Errorf("span %s: %s %q is not an ID of %d bytes", s.ID, field, jsonscan.Clip(text), size)
		}
		return v
	}
	nanos := func(field string) int64 {
		v, ok := r.Int()
		if !ok && problem == nil {
			problem = fmt.Errorf("span %s: %s is not a number", s.ID, field)
		}
		return v
	}
	r.Object(func(key []byte) {
		switch string(key) {
		case "traceId", "trace_id":
			traceID = id("traceId", 16)
		case "spanId", "span_id":
			s.ID = id("spanId", 8)
		case "parentSpanId", "parent_span_id":
			s.Parent = id("parentSpanId", 8)
		case "traceState", "trace_state":
			s.TraceState = string(r.Text())
		case "name":
			s.Operation = r.names.Get(r.Text())
		case "kind":
			s.Kind = r.kind()
		case "startTimeUnixNano", "start_time_unix_nano":
			start = nanos("startTimeUnixNano")
		case "endTimeUnixNano", "end_time_unix_nano":
			end = nanos("endTimeUnixNano")
		case "attributes":
			s.Attributes = r.attributes()
		case "events":
			r.Array(func() {
				if len(s.Events) < jsonscan.MaxItems {
					s.Events = append(s.Events, r.event(nanos))
				}
			})
		case "status":
			s.Failed, s.StatusMessage = r.status()
		}
	})
	if r.Err() != nil {
		return
	}
	if problem != nil {
		if r.bad++; r.first == nil {
			r.first = problem
		}
		return
	}
	if s.Attributes == nil {
		s.Attributes = map[string]string{}
	}
	s.Start, s.Duration = time.Unix(0, start).UTC(), duration(start, end)
	r.add(traceID, s)
}

func (r *reader) event(nanos func(string) int64) trace.Event {
	var e trace.Event
	r.Object(func(key []byte) {
		switch string(key) {
		case "timeUnixNano", "time_unix_nano":
			e.Time = time.Unix(0, nanos("timeUnixNano")).UTC()
		case "name":
			e.Name = r.names.Get(r.Text())
		case "attributes":
			e.Attributes = r.attributes()
		}
	})
	if e.Attributes == nil {
		e.Attributes = map[string]string{}
	}
	return e
}

// kind reads an enum's number or name.
func (r *reader) kind() trace.Kind {
	text := r.Text()
	if len(text) == 1 && text[0] >= '0' && text[0] <= '9' {
		return kind(int64(text[0] - '0'))
	}
	name := trace.Kind(strings.ToLower(strings.TrimPrefix(string(text), "SPAN_KIND_")))
	for _, k := range kinds {
		if k == name {
			return k
		}
	}
	return ""
}

// status reports whether the status is an error, and returns the description of an
// error.
func (r *reader) status() (failed bool, message string) {
	r.Object(func(key []byte) {
		switch string(key) {
		case "code":
			failed = trace.Failed(string(r.Text()), "")
		case "message":
			message = string(r.Text())
		}
	})
	if !failed {
		message = ""
	}
	return failed, message
}
