package tracestore

import (
	"bytes"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// The identities of spans depend on the encoding of their resource. Spans that were stored
// with the encoding of pdata's marshaler are recognised when they are sent again.
func TestResourceIsEncodedAsByPdata(t *testing.T) {
	const (
		resourceAttributes = 1 << iota
		resourceSchema
		scopeName
		scopeSchema
		all = 1<<iota - 1
	)
	for set := range all + 1 {
		td := ptrace.NewTraces()
		rs := td.ResourceSpans().AppendEmpty()
		ss := rs.ScopeSpans().AppendEmpty()
		if set&resourceAttributes != 0 {
			rs.Resource().Attributes().PutStr("service.name", "a")
			rs.Resource().Attributes().PutStr("host.name", "box")
		}
		if set&resourceSchema != 0 {
			rs.SetSchemaUrl("https://example.com/schemas/1")
		}
		if set&scopeName != 0 {
			ss.Scope().SetName("lib")
			ss.Scope().SetVersion("1.2")
		}
		if set&scopeSchema != 0 {
			ss.SetSchemaUrl("https://example.com/schemas/2")
		}
		want := encode(t, td)
		for id := range byte(2) {
			span := ss.Spans().AppendEmpty()
			span.SetTraceID(pcommon.TraceID{15: 1})
			span.SetSpanID(pcommon.SpanID{7: 1 + id})
			span.SetName("x")
		}
		resource := appendMessages(nil, encode(t, td), fieldResourceSpans)[0]
		record, err := appendResourceRecord(nil, resource, appendMessages(nil, resource, fieldScopeSpans)[0])
		if err != nil {
			t.Fatal(err)
		}
		if got := record[recordHeader+1:]; !bytes.Equal(got, want) {
			t.Errorf("fields %04b: encoded as %x, by pdata as %x", set, got, want)
		}
	}
}

func encode(t *testing.T, td ptrace.Traces) []byte {
	t.Helper()
	b, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
