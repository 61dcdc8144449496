package tempo_test

import (
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/tempo"
)

func TestUnmarshal(t *testing.T) {
	const list = `[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"gateway"}}]},
		"scopeSpans":[{"spans":[{"traceId":"AQAAAAAAAAAAAAAAAAAAAA==","spanId":"AgAAAAAAAAA=","name":"GET /","kind":"SPAN_KIND_SERVER"}]}]}]`
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "gateway")
	s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	s.SetTraceID(pcommon.TraceID{1})
	s.SetSpanID(pcommon.SpanID{2})
	s.SetName("GET /")
	s.SetKind(ptrace.SpanKindServer)
	first, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		t.Fatal(err)
	}
	second := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), first)
	for name, body := range map[string]string{
		"batches":              `{"batches":` + list + `}`,
		"second version":       `{"trace":{"resourceSpans":` + list + `},"metrics":{}}`,
		"second, with batches": "\n" + ` {"trace":{"batches":` + list + `}}`,
		"protobuf":             string(first),
		"second in protobuf":   string(second),
	} {
		n := 0
		err := tempo.Unmarshal([]byte(body), func(id string, s trace.Span) {
			if n++; id != "01000000000000000000000000000000" || s.ID != "0200000000000000" || s.Service != "gateway" || s.Operation != "GET /" || s.Kind != trace.Server {
				t.Errorf("%s: %s, %+v", name, id, s)
			}
		})
		if err != nil || n != 1 {
			t.Errorf("%s: %d spans, %v", name, n, err)
		}
	}
	n := 0
	cut := `{"batches":` + list[:len(list)-1] + `,{"resource":`
	if err := tempo.Unmarshal([]byte(cut), func(string, trace.Span) { n++ }); err == nil || n != 1 {
		t.Errorf("cut short: %d spans, %v; want the whole one", n, err)
	}
	for body, says := range map[string]string{"traces": "not OTLP", `{"batches":[{`: "unexpected EOF", `{"batches":{}}`: "invalid character '{'", `{"trace":[]}`: "not Tempo's JSON", `{"traces":[]}`: "neither batches nor a trace"} {
		if err := tempo.Unmarshal([]byte(body), func(string, trace.Span) {}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want %q", body, err, says)
		}
	}
}

// An answer whose field trace is nested millions of times must not overflow the
// stack: only the outer two levels are read.
func TestNestedTrace(t *testing.T) {
	const depth = 5 << 20
	body := `{"trace":{"batches":[],` + strings.Repeat(`"trace":{`, depth) + strings.Repeat("}", depth) + "}}"
	if err := tempo.Unmarshal([]byte(body), func(string, trace.Span) { t.Error("a span") }); err != nil {
		t.Error(err)
	}
}
