package file_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/file"
)

// What other programs write is named, with a remedy.
func TestForeign(t *testing.T) {
	for _, c := range []struct{ body, says string }{
		{`[[{"service":"a","name":"b","resource":"GET /","trace_id":123,"span_id":4,"parent_id":0,"start":1,"duration":1,"meta":{}}]]`, "f:1: these are spans of Datadog: "},
		{`{"data":[{"id":"A","type":"spans","attributes":{"trace_id":"1","span_id":"2","resource_name":"GET /","start_timestamp":"x"}}]}`, "f:1: these are spans of Datadog's API: "},
		{`{"trace":{"root_id":"1","spans":{}},"orphaned":[]}`, "f:1: this is a trace as Datadog's page shows it: "},
		{`[{"trace.trace_id":"a","trace.span_id":"b","name":"x","duration_ms":3.2}]`, "f:1: these are events of Honeycomb: "},
		{`[{"time":"x","data":{"trace.trace_id":"a","duration_ms":1}}]`, "f:1: these are events of Honeycomb: "},
		{`[{"common":{"attributes":{}},"spans":[{"trace.id":"a"}]}]`, "f:1: these are spans of New Relic: "},
		{`[{"trace.id":"a","guid":"b","duration.ms":2}]`, "f:1: these are spans of New Relic: "},
		{"{\"metadata\":{\"service\":{\"name\":\"a\"}}}\n{\"transaction\":{\"id\":\"a\",\"trace_id\":\"b\"}}\n", "f:1: these are events of Elastic APM: "},
		{`{"hits":{"hits":[{"_source":{"@timestamp":"x","trace":{"id":"a"},"transaction":{"id":"b"},"processor":{"event":"transaction"}}}]}}`, "f:1: these are documents of Elastic APM: "},
		{`{"traceId":"a","spanId":"b","name":"x","startTime":"x","durationInNanos":1}`, "f:1: these are spans of OpenSearch's Data Prepper: "},
		{`{"Timestamp":"x","TraceId":"a","SpanId":"b","SpanName":"x"}`, "f:1: these are rows of ClickHouse: "},
		{`{"traceId":"a","traceSegmentId":"b","service":"a","spans":[]}`, "f:1: these are segments of SkyWalking: "},
		{`{"data":{"trace":{"spans":[]}}}`, "f:1: this is an answer of GraphQL, such as SkyWalking's: "},
		{`{"data":{"type":"stored-traces","attributes":{"spans":[]}}}`, "f:1: this is an answer of an API, such as Lightstep's: "},
		{`{"projectId":"p","traceId":"a","spans":[]}`, "f:1: this is a trace of Google Cloud Trace: "},
		{`{"tables":[{"name":"PrimaryResult"}]}`, "f:1: this is the answer to a query of Azure Monitor: "},
		{`{"event_id":"a","contexts":{"trace":{"trace_id":"a"}},"spans":[]}`, "f:1: this is an event of Sentry: "},
		{`{"log":{"version":"1.2","entries":[]}}`, "f:1: this is a HAR recording"},
		{`[{"name":"x","ph":"X","ts":1,"dur":2,"pid":1}]`, "f:1: this is a recording of a browser"},
		{`{"level":"info","msg":"hello","trace_id":"a","span_id":"b"}`, "f:1: these are log lines"},
		{`{"data":["a","b"],"total":2}`, "f:1: this lists names, as Jaeger's /api/services does"},
		{`{"data":[{"parent":"a","child":"b","callCount":3}]}`, "f:1: these are Jaeger's service dependencies"},
		{`{"traceId":"a","id":"b","name":"x"}`, "f holds no spans with a start time; 1 have none"},
		{"trace_id,span_id,duration\na,b,1\n", "f: this is a table separated by commas"},
		{"Activity.TraceId:  5b8a\nActivity.SpanId: 0515\n", "f: this is the output of .NET's console exporter: "},
		{"[otel.javaagent 2026-01-01] INFO io.opentelemetry.exporter.logging.LoggingSpanExporter - 'GET /'\n", "f: this is the output of Java's logging exporter: "},
		{"2026-01-01\tinfo\tResourceSpans #0\nSpan #0\n", "f: this is the log of the collector's debug exporter: "},
		{"[2026-01-01 00:00:00] INFO hello\n", "f: this is text"},
		{"go 1.25 trace\x00\x00\x00", "f: this is a recording of Go's execution tracer"},
		{"\x0a\x04\x08\x01\x10\x02\x12\x05\x08\x01\x10\x01\x18\x01", "f: neither JSON nor OTLP in protobuf"}, // a profile
	} {
		_, err := file.Decode(t.Context(), strings.NewReader(c.body), "f", func(string, trace.Span) { t.Errorf("%s: a span", c.body) })
		if err == nil || !strings.HasPrefix(err.Error(), c.says) {
			t.Errorf("%s: error %v, want %q", c.body, err, c.says)
		}
	}
}

// The collector's file exporter compresses each message on its own and precedes it by
// its length.
func TestCompressedFrames(t *testing.T) {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	var body []byte
	for i, message := range [][]byte{asJSON(t, message(1)), asProto(t, message(2)), asJSON(t, message(3))} {
		if i < 2 {
			message = z.EncodeAll(message, nil)
		}
		body = append(binary.BigEndian.AppendUint32(body, uint32(len(message))), message...)
	}
	n := 0
	stats, err := file.Decode(t.Context(), strings.NewReader(string(body)), "f", func(string, trace.Span) { n++ })
	if err != nil || n != 6 {
		t.Errorf("%d spans, %+v, %v", n, stats, err)
	}
}
