// Package stdout reads spans in the output of OpenTelemetry's stdout exporters: Go's
// stdouttrace and Python's ConsoleSpanExporter. Both print one JSON object per span.
package stdout

import (
	"fmt"
	"strings"
	"time"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/internal/jsonscan"
)

// Decoder reads spans. It interns recurring strings, so one Decoder should read many
// spans. The zero value is ready to use.
type Decoder struct {
	names, values jsonscan.Intern
	pairs         []pair // buffer for one map, reused
	resources     map[string]map[string]string
}

type pair struct{ key, value string }

// Go reads a span of Go's stdouttrace.
func (d *Decoder) Go(b []byte) (traceID string, s trace.Span, err error) {
	r := reader{Decoder: d, Scanner: jsonscan.New(b)}
	r.Object(func(key []byte) {
		switch string(key) {
		case "Name":
			r.s.Operation = r.names.Get(r.Text())
		case "SpanContext":
			r.traceID, r.s.ID, r.s.TraceState = r.context("TraceID", "SpanID", "TraceState")
		case "Parent":
			_, r.s.Parent, _ = r.context("TraceID", "SpanID", "TraceState")
		case "SpanKind":
			if n, ok := r.Int(); ok && n > 0 && n < int64(len(kinds)) {
				r.s.Kind = kinds[n]
			}
		case "StartTime":
			r.s.Start = r.time()
		case "EndTime":
			r.end = r.time()
		case "Attributes":
			r.s.Attributes = r.list()
		case "Resource":
			r.resource(r.Raw(), (*reader).list)
		case "Events":
			r.events("Name", "Time", "Attributes", (*reader).list)
		case "Status":
			r.status("Code", "Description")
		}
	})
	return r.finish()
}

// Python reads a span of Python's ConsoleSpanExporter.
func (d *Decoder) Python(b []byte) (traceID string, s trace.Span, err error) {
	r := reader{Decoder: d, Scanner: jsonscan.New(b)}
	r.Object(func(key []byte) {
		switch string(key) {
		case "name":
			r.s.Operation = r.names.Get(r.Text())
		case "context":
			r.traceID, r.s.ID, r.s.TraceState = r.context("trace_id", "span_id", "trace_state")
			r.s.TraceState = strings.Trim(r.s.TraceState, "[]")
		case "parent_id":
			r.s.Parent = id(r.Text())
		case "kind":
			r.s.Kind = trace.Kind(strings.ToLower(strings.TrimPrefix(r.names.Get(r.Text()), "SpanKind.")))
		case "start_time":
			r.s.Start = r.time()
		case "end_time":
			r.end = r.time()
		case "attributes":
			r.s.Attributes = r.fields()
		case "resource":
			r.Object(func(key []byte) {
				if string(key) == "attributes" {
					r.resource(r.Raw(), (*reader).fields)
				}
			})
		case "events":
			r.events("name", "timestamp", "attributes", (*reader).fields)
		case "status":
			r.status("status_code", "description")
		}
	})
	return r.finish()
}

// kinds maps the values of Go's trace.SpanKind.
var kinds = [...]trace.Kind{1: trace.Internal, 2: trace.Server, 3: trace.Client, 4: trace.Producer, 5: trace.Consumer}

// reader reads one span.
type reader struct {
	*Decoder
	*jsonscan.Scanner
	s       trace.Span
	traceID string
	end     time.Time
	problem error
}

func (r *reader) finish() (string, trace.Span, error) {
	if err := r.Err(); err != nil {
		return "", trace.Span{}, fmt.Errorf("not a span of a console exporter: %w", err)
	}
	if r.s.Attributes == nil {
		r.s.Attributes = map[string]string{}
	}
	if !r.s.Failed {
		r.s.StatusMessage = ""
	}
	r.s.Duration = max(0, r.end.Sub(r.s.Start))
	r.s.Service = r.s.Resource["service.name"]
	return r.traceID, r.s, r.problem
}

func (r *reader) context(traceKey, spanKey, stateKey string) (traceID, spanID, state string) {
	r.Object(func(key []byte) {
		switch string(key) {
		case traceKey:
			traceID = id(r.Text())
		case spanKey:
			spanID = id(r.Text())
		case stateKey:
			state = string(r.Text())
		}
	})
	return traceID, spanID, state
}

// id returns an ID without its prefix 0x. A zero ID is empty.
func id(text []byte) string {
	s := strings.TrimPrefix(string(text), "0x")
	if strings.Trim(s, "0") == "" {
		return ""
	}
	return s
}

func (r *reader) time() time.Time {
	text := r.Text()
	t, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil && len(text) > 0 && r.problem == nil {
		r.problem = fmt.Errorf("span %q: time %q: not as RFC 3339 writes it", jsonscan.Clip(r.s.ID), jsonscan.Clip(text))
	}
	return t
}

func (r *reader) status(codeKey, messageKey string) {
	r.Object(func(key []byte) {
		switch string(key) {
		case codeKey:
			r.s.Failed = trace.Failed(string(r.Text()), "")
		case messageKey:
			r.s.StatusMessage = string(r.Text())
		}
	})
}

func (r *reader) events(nameKey, timeKey, attributesKey string, attributes func(*reader) map[string]string) {
	r.Array(func() {
		if len(r.s.Events) < jsonscan.MaxItems {
			r.s.Events = append(r.s.Events, r.event(nameKey, timeKey, attributesKey, attributes))
		}
	})
}

func (r *reader) event(nameKey, timeKey, attributesKey string, attributes func(*reader) map[string]string) trace.Event {
	e := trace.Event{}
	r.Object(func(key []byte) {
		switch string(key) {
		case nameKey:
			e.Name = r.names.Get(r.Text())
		case timeKey:
			e.Time = r.time()
		case attributesKey:
			e.Attributes = attributes(r)
		}
	})
	return e
}

// resource reads the resource's attributes, which every span repeats.
func (r *reader) resource(raw []byte, attributes func(*reader) map[string]string) {
	if known, ok := r.resources[string(raw)]; ok {
		r.s.Resource = known
		return
	}
	in := reader{Decoder: r.Decoder, Scanner: jsonscan.New(raw)}
	r.s.Resource = attributes(&in)
	const most = 4096
	if len(r.resources) < most {
		if r.resources == nil {
			r.resources = map[string]map[string]string{}
		}
		r.resources[string(raw)] = r.s.Resource
	}
}

// list reads [{"Key":…,"Value":{"Type":…,"Value":…}}].
func (r *reader) list() map[string]string {
	r.pairs = r.pairs[:0]
	r.Array(func() {
		if len(r.pairs) == jsonscan.MaxItems {
			return
		}
		var p pair
		r.Object(func(key []byte) {
			switch string(key) {
			case "Key":
				p.key = r.names.Get(r.Text())
			case "Value":
				r.Object(func(key []byte) {
					if string(key) == "Value" {
						p.value = r.values.Get(r.Text())
					}
				})
			}
		})
		r.pairs = append(r.pairs, p)
	})
	return r.made()
}

// fields reads {"key":value}.
func (r *reader) fields() map[string]string {
	r.pairs = r.pairs[:0]
	r.Object(func(key []byte) {
		if len(r.pairs) == jsonscan.MaxItems {
			return
		}
		name := r.names.Get(key)
		r.pairs = append(r.pairs, pair{name, r.values.Get(r.Text())})
	})
	return r.made()
}

func (r *reader) made() map[string]string {
	out := make(map[string]string, len(r.pairs))
	for _, p := range r.pairs {
		out[p.key] = p.value
	}
	return out
}
