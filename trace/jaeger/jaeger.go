// Package jaeger reads traces in the JSON format of Jaeger's query API
// (internal/uimodel of Jaeger 1.76) and of its Elasticsearch documents. Jaeger's UI
// saves traces in the former.
package jaeger

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/internal/jsonscan"
)

// Unmarshal reads a response of the query API, {"data":[…]}, an array of traces, or one
// trace. For an error response, the error holds Jaeger's message. Traces read before an
// error are returned with it.
func Unmarshal(b []byte) ([]trace.Trace, error) {
	var out []trace.Trace
	err := new(Decoder).Decode(b, func(t trace.Trace) { out = append(out, t) })
	return out, err
}

// Decoder reads traces and spans. It interns recurring strings, so one Decoder should
// read many traces. The zero value is ready to use.
type Decoder struct {
	names, values jsonscan.Intern
	inline        map[string]*process // processes inlined in spans, by their JSON
	pairs         []pair              // buffer for one map, reused
}

type process struct {
	service  string
	resource map[string]string
}

type pair struct{ key, value string }

// Decode accepts the same input as Unmarshal and passes each trace to add. A trace with
// a span that cannot be read is skipped and reported in the error.
func (d *Decoder) Decode(b []byte, add func(trace.Trace)) error {
	sc := jsonscan.New(b)
	r := reader{Decoder: d, Scanner: sc, add: add}
	if sc.Next() == '[' {
		sc.Array(r.trace)
	} else {
		r.page()
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("not Jaeger's JSON: %w", err)
	}
	return r.bad.err()
}

// Span reads one span as Jaeger stores it in Elasticsearch, with its trace ID and
// process.
func (d *Decoder) Span(b []byte) (traceID string, s trace.Span, err error) {
	sc := jsonscan.New(b)
	r := reader{Decoder: d, Scanner: sc}
	j := r.span()
	if err := sc.Err(); err != nil {
		return "", trace.Span{}, fmt.Errorf("not Jaeger's JSON: %w", err)
	}
	return j.traceID, j.finish(j.traceID, nil), j.err
}

// reader reads one JSON value.
type reader struct {
	*Decoder
	*jsonscan.Scanner
	add func(trace.Trace)
	bad failures
}

// failures counts the traces that were skipped.
type failures struct {
	n     int
	first error
}

func (f *failures) add(err error) {
	if f.n++; f.n == 1 {
		f.first = err
	}
}

func (f *failures) err() error {
	if f.n > 1 {
		return fmt.Errorf("%w; %d more traces cannot be read", f.first, f.n-1)
	}
	return f.first
}

// page reads a response or a trace.
func (r *reader) page() {
	t := open{processes: map[string]*process{}}
	r.Object(func(key []byte) {
		switch string(key) {
		case "data":
			if r.Next() == '[' {
				r.Array(r.trace)
			}
		case "errors":
			r.Array(r.refusal)
		default:
			r.field(&t, key)
		}
	})
	r.close(t)
}

func (r *reader) refusal() {
	var code int64
	var msg string
	r.Object(func(key []byte) {
		switch string(key) {
		case "code":
			code, _ = r.Int()
		case "msg":
			msg = string(r.Text())
		}
	})
	r.bad.add(fmt.Errorf("the answer is an error of Jaeger's: %d %s", code, jsonscan.Clip(msg)))
}

// Limits of the spans of a trace, which are buffered until its end.
const (
	maxSpans     = 250_000
	minSpanBytes = 32   // of a span's JSON, on average: a span has IDs, a name and times
	fewSpans     = 1000 // that may be smaller
)

// open is a trace whose processes may follow its spans.
type open struct {
	id        string
	spans     []span
	more      int // spans beyond the limits
	processes map[string]*process
}

func (r *reader) trace() {
	t := open{processes: map[string]*process{}}
	r.Object(func(key []byte) { r.field(&t, key) })
	r.close(t)
}

func (r *reader) field(t *open, key []byte) {
	switch string(key) {
	case "traceID":
		t.id = string(r.Text())
	case "spans":
		from := r.Offset()
		r.Array(func() {
			n := len(t.spans)
			if n >= maxSpans || n >= fewSpans && r.Offset()-from < n*minSpanBytes {
				t.more++
				return
			}
			t.spans = append(t.spans, r.span())
		})
	case "processes":
		r.Object(func(id []byte) {
			name := r.names.Get(id)
			t.processes[name] = r.process()
		})
	}
}

// close passes on a trace that was read completely.
func (r *reader) close(t open) {
	if r.Err() != nil || t.id == "" && len(t.spans) == 0 {
		return
	}
	if t.more > 0 {
		r.bad.add(fmt.Errorf("trace %s: it has %d spans; %d are read at most, of %d bytes each on average at least", jsonscan.Clip(t.id), len(t.spans)+t.more, maxSpans, minSpanBytes))
		return
	}
	out := trace.Trace{ID: t.id, Spans: make([]trace.Span, 0, len(t.spans))}
	for i := range t.spans {
		if err := t.spans[i].err; err != nil {
			r.bad.add(fmt.Errorf("trace %s: %w", jsonscan.Clip(t.id), err))
			return
		}
		out.Spans = append(out.Spans, t.spans[i].finish(t.id, t.processes))
	}
	r.add(out)
}

func (d *Decoder) inlineProcess(raw []byte) *process {
	if p, ok := d.inline[string(raw)]; ok {
		return p
	}
	r := reader{Decoder: d, Scanner: jsonscan.New(raw)}
	p := r.process()
	const most = 4096
	if len(d.inline) < most {
		if d.inline == nil {
			d.inline = map[string]*process{}
		}
		d.inline[string(raw)] = p
	}
	return p
}

func (r *reader) process() *process {
	p := &process{}
	r.Object(func(key []byte) {
		switch string(key) {
		case "serviceName":
			p.service = r.names.Get(r.Text())
		case "tags":
			p.resource = merge(p.resource, r.tags())
		case "tag":
			p.resource = merge(p.resource, r.fields())
		}
	})
	return p
}

// span is a span before its process is known.
type span struct {
	trace.Span
	traceID, processID string
	process            *process
	refs               []reference
	err                error
}

type reference struct {
	traceID, spanID string
	child           bool
}

func (r *reader) span() span {
	var s span
	r.Object(func(key []byte) {
		switch string(key) {
		case "traceID":
			s.traceID = string(r.Text())
		case "spanID":
			s.ID = string(r.Text())
		case "parentSpanID":
			s.Parent = string(r.Text())
		case "operationName":
			s.Operation = r.names.Get(r.Text())
		case "references":
			r.Array(func() {
				if len(s.refs) < jsonscan.MaxItems {
					s.refs = append(s.refs, r.reference())
				}
			})
		case "startTime":
			s.Start = time.UnixMicro(r.micros(&s, "startTime"))
		case "duration":
			s.Duration = time.Duration(min(max(0, r.micros(&s, "duration")), math.MaxInt64/1000)) * time.Microsecond
		case "tags":
			s.Attributes = merge(s.Attributes, r.tags())
		case "tag":
			s.Attributes = merge(s.Attributes, r.fields())
		case "logs":
			r.Array(func() {
				if len(s.Events) < jsonscan.MaxItems {
					s.Events = append(s.Events, r.event(&s))
				}
			})
		case "processID":
			s.processID = r.names.Get(r.Text())
		case "process":
			s.process = r.inlineProcess(r.Raw())
		}
	})
	return s
}

// micros reads a number of microseconds.
func (r *reader) micros(s *span, key string) int64 {
	v, ok := r.Int()
	if !ok && s.err == nil {
		s.err = fmt.Errorf("span %s: %s is not a number", jsonscan.Clip(s.ID), key)
	}
	return v
}

func (r *reader) reference() reference {
	var ref reference
	r.Object(func(key []byte) {
		switch string(key) {
		case "refType":
			ref.child = string(r.Text()) == "CHILD_OF"
		case "traceID":
			ref.traceID = string(r.Text())
		case "spanID":
			ref.spanID = string(r.Text())
		}
	})
	return ref
}

func (r *reader) event(s *span) trace.Event {
	var e trace.Event
	r.Object(func(key []byte) {
		switch string(key) {
		case "timestamp":
			e.Time = time.UnixMicro(r.micros(s, "timestamp of a log"))
		case "fields":
			e.Attributes = r.tags()
		}
	})
	// The name of an OpenTelemetry event, and OpenTracing's.
	e.Name = e.Attributes["event"]
	delete(e.Attributes, "event")
	return e
}

// tags reads a list of keys and values.
func (r *reader) tags() map[string]string {
	r.pairs = r.pairs[:0]
	r.Array(func() {
		if len(r.pairs) == jsonscan.MaxItems {
			return
		}
		var p pair
		r.Object(func(key []byte) {
			switch string(key) {
			case "key":
				p.key = r.names.Get(r.Text())
			case "value":
				p.value = r.values.Get(r.Text())
			}
		})
		r.pairs = append(r.pairs, p)
	})
	out := make(map[string]string, len(r.pairs))
	for _, p := range r.pairs {
		out[p.key] = p.value
	}
	return out
}

// fields reads tags that Elasticsearch stores as an object. A dot in a key is written
// as "@".
func (r *reader) fields() map[string]string {
	out := map[string]string{}
	r.Object(func(key []byte) {
		name := strings.ReplaceAll(r.names.Get(key), "@", ".")
		out[name] = r.values.Get(r.Text())
	})
	return out
}

func merge(a, b map[string]string) map[string]string {
	if len(a) == 0 {
		return b
	}
	for k, v := range b {
		a[k] = v
	}
	return a
}

// finish returns the span with the trace's ID and the resource of its process.
func (s *span) finish(traceID string, processes map[string]*process) trace.Span {
	p := s.process
	if p == nil {
		p = processes[s.processID]
	}
	if p != nil {
		s.Service, s.Resource = p.service, p.resource
	}
	child := false
	for _, ref := range s.refs {
		if ref.traceID == traceID && !child && (ref.child || s.Parent == "") {
			s.Parent, child = ref.spanID, ref.child
		}
	}
	if s.Attributes == nil {
		s.Attributes = map[string]string{}
	}
	s.Kind = trace.Kind(strings.ToLower(s.Attributes["span.kind"]))
	s.TraceState = s.Attributes["w3c.tracestate"]
	// Jaeger derives "error" from the status. OpenTracing services set it themselves.
	s.Failed = trace.Failed(s.Attributes["otel.status_code"], s.Attributes["error"])
	if s.Failed {
		s.StatusMessage = s.Attributes["otel.status_description"]
	}
	return s.Span
}
