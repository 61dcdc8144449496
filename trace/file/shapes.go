package file

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tenhop/tenhop/trace/internal/jsonscan"
)

// shape is a kind of JSON object, identified by its fields. A field may be written with
// the type of its value, as "data[]" or "data{}". A nested field is written as
// "data.resultType".
type shape struct {
	fields string  // separated by spaces; all are required
	whole  bool    // needs all of the object's fields, not the first that suffice
	read   reading // unread if unsupported
	remedy string  // for an unsupported shape: its name and an alternative
}

// reading selects the decoder of a record.
type reading int

const (
	unread reading = iota
	asOTLP
	asOtherSignal
	asResourceSpans // a ResourceSpans of OTLP without a message around it
	asTempo
	asJaeger
	asJaegerSpan
	asStdoutGo
	asStdoutPython
	asZipkin
	asInner // a record in a field
	asHits  // search hits of Elasticsearch
)

// shapes lists the known shapes in the order in which they are tried.
var shapes = []shape{
	{fields: "resourceSpans", read: asOTLP},
	{fields: "resource_spans", read: asOTLP},
	{fields: "resourceLogs", read: asOtherSignal},
	{fields: "resource_logs", read: asOtherSignal},
	{fields: "resourceMetrics", read: asOtherSignal},
	{fields: "resource_metrics", read: asOtherSignal},
	{fields: "resourceProfiles", read: asOtherSignal},
	{fields: "scopeSpans", read: asResourceSpans}, // as Java's logging exporter prints it
	{fields: "scope_spans", read: asResourceSpans},
	{fields: "scopeLogs", read: asOtherSignal},
	{fields: "scopeMetrics", read: asOtherSignal},

	{fields: "batches[]", read: asTempo},
	{fields: "trace.batches", read: asTempo},
	{fields: "trace.resourceSpans", read: asTempo},
	{fields: "trace.resource_spans", read: asTempo},
	{fields: "result.resourceSpans", read: asInner}, // Jaeger's API v3
	{fields: "result.resource_spans", read: asInner},

	{fields: "status data[]", remedy: "this is an answer of Prometheus, not traces"},
	{fields: "data.resultType", remedy: "this is an answer of Prometheus or Loki, not traces"},
	{fields: "projectId spans[]", remedy: "this is a trace of Google Cloud Trace: " + asOTLPInstead},
	{fields: "data[]", read: asJaeger},
	{fields: "traceID spans[]", read: asJaeger},
	{fields: "spans[] processes{}", read: asJaeger},
	{fields: "spanID operationName", read: asJaegerSpan},
	{fields: "_source{}", read: asInner}, // a dump of Elasticsearch
	{fields: "hits.hits", read: asHits},

	{fields: "SpanContext{}", read: asStdoutGo},
	{fields: "context.trace_id", read: asStdoutPython},

	{fields: "traces[]", remedy: "this lists traces without their spans, as Tempo's search does: save each from /api/traces/ID"},
	{fields: "Traces[]", remedy: xray},
	{fields: "Segments[]", remedy: xray},
	{fields: "traceEvents[]", remedy: "this is a recording of a browser or a runtime for chrome://tracing, not traces of requests"},
	{fields: "results{}", remedy: "this is the data of a Grafana panel: open the trace in Grafana and export it as OTLP JSON"},
	{fields: "partialSuccess", remedy: "this is the answer to an OTLP export, not the export"},
	{fields: "traceId id binaryAnnotations", whole: true, remedy: "these are spans of Zipkin's first version: save them from /api/v2"},
	{fields: "traceId id", whole: true, read: asZipkin},
}

const xray = "these are segments of AWS X-Ray: " + asOTLPInstead

// field is a bit set of fields.
type field uint64

// table finds shapes by their fields.
type table struct {
	fields map[string]field
	needs  []field // of each shape
}

var known = newTable()

func newTable() table {
	t := table{fields: map[string]field{}}
	for _, s := range shapes {
		var needs field
		for name := range strings.FieldsSeq(s.fields) {
			if t.fields[name] == 0 {
				t.fields[name] = 1 << len(t.fields)
			}
			needs |= t.fields[name]
		}
		t.needs = append(t.needs, needs)
	}
	return t
}

// errDecided stops the scan of an object once its shape is known.
var errDecided = errors.New("decided")

// shapeOf returns the shape of a JSON object. The error describes text that is not an
// object, or an object of unknown shape.
func shapeOf(text []byte) (*shape, error) {
	sc := jsonscan.New(text)
	if c := sc.Next(); c != '{' {
		return nil, notAnObject(c)
	}
	var found *shape
	var have field
	var names []string // for the error
	path := make([]byte, 0, 64)
	note := func(name []byte) {
		bit := known.fields[string(name)]
		if bit == 0 || have&bit != 0 {
			return
		}
		have |= bit
		if found = match(have, false); found != nil {
			sc.Stop(errDecided)
		}
	}
	sc.Object(func(key []byte) {
		if len(names) < 5 {
			names = append(names, string(key))
		}
		path = append(path[:0], key...)
		note(path)
		switch sc.Next() {
		case '[', 'n':
			note(append(path, "[]"...))
		case '{':
			if note(append(path, "{}"...)); found != nil {
				return
			}
			path = append(path, '.')
			outer := len(path)
			sc.Object(func(key []byte) {
				path = append(path[:outer], key...)
				note(path)
			})
		}
	})
	switch {
	case found != nil:
		return found, nil
	case sc.Err() == nil:
		if found = match(have, true); found != nil {
			return found, nil
		}
		if len(names) == 0 {
			return nil, errors.New("an empty object, which holds no traces")
		}
	}
	if err := sc.Err(); err != nil {
		return nil, err
	}
	if remedy := foreignShape(text); remedy != "" {
		return nil, errors.New(remedy)
	}
	return nil, fmt.Errorf("an object that no format of traces has, with the fields %s: export the traces as OTLP, or save them from Jaeger, Tempo or Zipkin as JSON", quoteAll(names))
}

// match returns the first shape whose fields are all in have.
func match(have field, whole bool) *shape {
	for i, needs := range known.needs {
		if have&needs == needs && (whole || !shapes[i].whole) {
			return &shapes[i]
		}
	}
	return nil
}

func notAnObject(c byte) error {
	what := "a number"
	switch c {
	case '"':
		what = "a string"
	case 't', 'f':
		what = "a boolean"
	case 'n':
		what = "null"
	}
	return fmt.Errorf("%s instead of an object", what)
}

func quoteAll(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%.40q", n)
	}
	return strings.Join(out, ", ")
}
