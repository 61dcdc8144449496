package stack_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

const (
	contractTrace = "0102030405060708090a0b0c0d0e0f10"
	legacyTrace   = "a1000000000000000000000000000002" // 128 bits from a Jaeger client
)

var contractID = pcommon.TraceID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

// contractBatches returns the exports of several processes. They have every OTLP
// field, and the defects that spans have in practice.
func contractBatches(now time.Time) []ptrace.Traces {
	at := func(ms int) pcommon.Timestamp {
		return pcommon.NewTimestampFromTime(now.Add(time.Duration(ms)*time.Millisecond - time.Minute).Add(123 * time.Nanosecond))
	}
	resource := func(service string) (ptrace.Traces, ptrace.SpanSlice) {
		td := ptrace.NewTraces()
		rs := td.ResourceSpans().AppendEmpty()
		if service != "" {
			rs.Resource().Attributes().PutStr("service.name", service)
		}
		rs.Resource().Attributes().PutStr("host.name", "box-1")
		rs.Resource().Attributes().PutStr("service.instance.id", service+"-1")
		ss := rs.ScopeSpans().AppendEmpty()
		ss.Scope().SetName("tenhop/" + service)
		ss.Scope().SetVersion("v0.1.0")
		return td, ss.Spans()
	}
	span := func(to ptrace.SpanSlice, id, parent byte, name string, kind ptrace.SpanKind, from, until int) ptrace.Span {
		s := to.AppendEmpty()
		s.SetTraceID(contractID)
		s.SetSpanID(pcommon.SpanID{0xa0, 7: id})
		if parent != 0 {
			s.SetParentSpanID(pcommon.SpanID{0xa0, 7: parent})
		}
		s.SetName(name)
		s.SetKind(kind)
		s.SetStartTimestamp(at(from))
		s.SetEndTimestamp(at(until))
		return s
	}

	gateway, g := resource("gateway")
	entry := span(g, 1, 0, "POST /checkout", ptrace.SpanKindServer, 0, 500)
	attrs := entry.Attributes()
	attrs.PutStr("customer.tier", "gold")
	attrs.PutInt("http.response.status_code", 200)
	attrs.PutBool("cache.hit", true)
	attrs.PutDouble("price", 12.5)
	attrs.PutInt("beyond.javascript", 1<<60)
	attrs.PutEmptyBytes("blob").FromRaw([]byte{0, 1, 255})
	items := attrs.PutEmptySlice("list")
	items.AppendEmpty().SetStr("a")
	items.AppendEmpty().SetInt(2)
	attrs.PutEmptyMap("map").PutStr("inner", "value")
	attrs.PutStr("telemetry.sdk.name", "moves to the resource")
	attrs.PutStr("a.first", "<script>alert(1)</script>")
	entry.TraceState().FromRaw("vendor=1")
	entry.Status().SetCode(ptrace.StatusCodeOk)
	event := entry.Events().AppendEmpty()
	event.SetName("charged")
	event.SetTimestamp(at(250))
	event.Attributes().PutStr("z", "last")
	event.Attributes().PutInt("attempt", 1)
	span(g, 2, 1, "payment.Charge", ptrace.SpanKindClient, 100, 400)

	// The callee's spans, in a separate export.
	payment, p := resource("payment")
	charge := span(p, 3, 2, "Charge", ptrace.SpanKindServer, 110, 390)
	charge.Status().SetCode(ptrace.StatusCodeError)
	charge.Status().SetMessage("card declined")
	link := charge.Links().AppendEmpty()
	link.SetTraceID(pcommon.TraceID{15: 9})
	link.SetSpanID(pcommon.SpanID{7: 9})
	span(p, 4, 3, "", ptrace.SpanKindInternal, 120, 130)
	// A missing parent, and a child that ends after its parent.
	span(p, 5, 99, "orphan", ptrace.SpanKindInternal, 140, 150)
	span(p, 6, 3, "slow child", ptrace.SpanKindInternal, 380, 420)

	// A Kafka consumer, which starts after its parent has ended.
	shipping, s := resource("shipping")
	span(s, 7, 3, "process orders.placed", ptrace.SpanKindConsumer, 900, 950)
	span(s, 8, 0, "sent twice", ptrace.SpanKindInternal, 960, 970)

	// The same span twice, as a retry makes it. It has no parent: Jaeger's
	// dependencies count copies of a call, ours do not store them.
	again, a := resource("shipping")
	span(a, 8, 0, "sent twice", ptrace.SpanKindInternal, 960, 970)

	// Another trace with a 64-bit ID, a service without a name, a span that ends
	// before it starts, a cycle of parents.
	odd, o := resource("")
	for i, parent := range []byte{2, 1, 0} {
		sp := span(o, byte(i+1), parent, fmt.Sprint("odd ", i), ptrace.SpanKindUnspecified, 10, 5)
		sp.SetTraceID(pcommon.TraceID{15: 9})
	}
	return []ptrace.Traces{payment, gateway, shipping, again, odd}
}

// legacyBatch returns a batch in the form that jaeger-client-go sends.
func legacyBatch(t *testing.T, now time.Time) []byte {
	t.Helper()
	str := func(k, v string) *jaeger.Tag { return &jaeger.Tag{Key: k, VType: jaeger.TagType_STRING, VStr: &v} }
	yes, n, f := true, int64(503), 0.5
	start := now.Add(-time.Minute).UnixMicro()
	batch := &jaeger.Batch{
		Process: &jaeger.Process{ServiceName: "loyalty", Tags: []*jaeger.Tag{str("jaeger.version", "Go-2.30.0"), str("hostname", "box-2"), str("ip", "10.0.0.2")}},
		Spans: []*jaeger.Span{{
			TraceIdHigh: -0x5f00000000000000, TraceIdLow: 2, SpanId: 17, OperationName: "GET /points",
			StartTime: start, Duration: 1500, Flags: 1,
			Tags: []*jaeger.Tag{
				str("span.kind", "server"), str("correlation_id", "c-1"),
				{Key: "error", VType: jaeger.TagType_BOOL, VBool: &yes},
				{Key: "http.status_code", VType: jaeger.TagType_LONG, VLong: &n},
				{Key: "ratio", VType: jaeger.TagType_DOUBLE, VDouble: &f},
				{Key: "raw", VType: jaeger.TagType_BINARY, VBinary: []byte{1, 2}},
			},
			Logs: []*jaeger.Log{{Timestamp: start + 10, Fields: []*jaeger.Tag{str("event", "retry"), str("cause", "timeout")}}},
		}, {
			TraceIdHigh: -0x5f00000000000000, TraceIdLow: 2, SpanId: 18, ParentSpanId: 17, OperationName: "SELECT",
			StartTime: start + 100, Duration: 200, Tags: []*jaeger.Tag{str("span.kind", "client")},
			References: []*jaeger.SpanRef{{RefType: jaeger.SpanRefType_CHILD_OF, TraceIdHigh: -0x5f00000000000000, TraceIdLow: 2, SpanId: 17}},
		}},
	}
	buf := thrift.NewTMemoryBuffer()
	if err := batch.Write(t.Context(), thrift.NewTBinaryProtocolConf(buf, nil)); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// sortSets sorts lists whose order has no meaning.
func sortSets(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		if spans, ok := v["resourceSpans"].([]any); ok {
			v["resourceSpans"] = flatten(spans)
		}
		if processes, ok := v["processes"].(map[string]any); ok {
			inlineProcesses(v, processes)
		}
		// A Jaeger client's debug and sampled bits: the translator in v1.76.0 drops
		// them, ours is newer and keeps them.
		delete(v, "flags")
		for k, inner := range v {
			v[k] = sortSets(k, inner)
		}
		if v["key"] == "@jaeger@warnings" {
			onlyOnce(v)
		}
		return v
	case []any:
		for i, inner := range v {
			v[i] = sortSets("", inner)
		}
		if key == "warnings" || key == "data" || key == "services" || key == "operations" || key == "spans" || key == "resourceSpans" {
			slices.SortFunc(v, func(a, b any) int { return strings.Compare(text(a), text(b)) })
		}
		return v
	}
	return v
}

// onlyOnce removes the copies of warnings that Jaeger's memory store adds with every
// call.
func onlyOnce(attribute map[string]any) {
	values, _ := attribute["value"].(map[string]any)
	array, _ := values["arrayValue"].(map[string]any)
	warnings := list(array["values"])
	slices.SortFunc(warnings, func(a, b any) int { return strings.Compare(text(a), text(b)) })
	array["values"] = slices.CompactFunc(warnings, func(a, b any) bool { return text(a) == text(b) })
}

// flatten adds resource and scope to each span, since servers may group spans
// differently.
func flatten(resourceSpans []any) []any {
	var out []any
	for _, rs := range resourceSpans {
		rs := rs.(map[string]any)
		for _, ss := range list(rs["scopeSpans"]) {
			ss := ss.(map[string]any)
			for _, span := range list(ss["spans"]) {
				out = append(out, map[string]any{"resource": rs["resource"], "scope": ss["scope"], "span": span})
			}
		}
	}
	return out
}

// list returns the list in a JSON field, or nil if the field is missing.
func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func inlineProcesses(trace, processes map[string]any) {
	for _, span := range list(trace["spans"]) {
		span := span.(map[string]any)
		if id, ok := span["processID"].(string); ok {
			span["processID"] = processes[id]
		}
	}
	delete(trace, "processes")
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
