package otlp

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/trace"
)

type read struct {
	traceID string
	span    trace.Span
}

func sample(t testing.TB, resources, spans int) []byte {
	t.Helper()
	td := ptrace.NewTraces()
	for r := range resources {
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr(serviceName, fmt.Sprint("service", r))
		ss := rs.ScopeSpans().AppendEmpty().Spans()
		for i := range spans {
			s := ss.AppendEmpty()
			s.SetTraceID(pcommon.TraceID{byte(r + 1), byte(i), byte(i >> 8)})
			s.SetSpanID(pcommon.SpanID{1, byte(i), byte(i >> 8)})
			s.SetName("n")
			s.Attributes().PutInt("i", int64(i))
			s.Events().AppendEmpty().SetName("e")
		}
	}
	b, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestParts compares a message that is decoded in parts with the same decoded whole.
func TestParts(t *testing.T) {
	b := sample(t, 3, 20_000)
	td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(b)
	if err != nil {
		t.Fatal(err)
	}
	var want, got []read
	Spans(td, func(id string, s trace.Span) { want = append(want, read{id, s}) })
	if err := unmarshalParts(b, func(id string, s trace.Span) { got = append(got, read{id, s}) }); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%d spans of %d, %v", len(got), len(want), err)
	}
}

// TestDenseSpan expects a span of a million attributes to cost itself only.
func TestDenseSpan(t *testing.T) {
	b := sample(t, 1, 10)
	dense := appendField(nil, 1, appendField(nil, 2, appendField(nil, 2, bytes.Repeat([]byte("\x4a\x00"), 1_000_000))))
	n := 0
	err := Unmarshal(append(append(bytes.Clone(b), dense...), b...), func(string, trace.Span) { n++ })
	if n != 20 || err == nil {
		t.Errorf("%d spans, error %v", n, err)
	}
}

// FuzzUnmarshal decodes messages in parts and as a whole.
func FuzzUnmarshal(f *testing.F) {
	f.Add(sample(f, 2, 3))
	f.Add([]byte("\x0a\x02\x12\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := DecodedBytes(b); err != nil {
			return
		}
		var want, got []read
		err := Unmarshal(b, func(id string, s trace.Span) { want = append(want, read{id, s}) })
		inParts := unmarshalParts(b, func(id string, s trace.Span) { got = append(got, read{id, s}) })
		if err == nil && inParts == nil && len(got) != len(want) {
			t.Errorf("%d spans in parts, %d as a whole", len(got), len(want))
		}
	})
}
