package tempo_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/internal/spans"
	"github.com/tenhop/tenhop/diagnose/tempo"
)

const id = "01020300000000000000000000000000"

func body(t testing.TB) []byte {
	t.Helper()
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "gateway")
	s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	s.SetTraceID(pcommon.TraceID{1, 2, 3})
	s.SetSpanID(pcommon.SpanID{1})
	s.SetName("POST /pay")
	s.SetStartTimestamp(1_700_000_000_000_000_000)
	s.SetEndTimestamp(1_700_000_000_020_000_000)
	b, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// answer is a transport that answers everything alike.
type answer []byte

func (a answer) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(a))}, nil
}

// Whatever answers, it is read or refused, and what was read can be measured.
func FuzzTrace(f *testing.F) {
	f.Add(body(f))
	f.Add([]byte(`{"traces":[{"traceID":"a"}],"tagValues":["b"]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := tempo.New("http://tempo:3200", &http.Client{Transport: answer(b)})
		if err != nil {
			t.Fatal(err)
		}
		if tr, err := c.Trace(t.Context(), id); err == nil {
			book := diagnose.NewBook()
			book.Add(spans.FromTrace(tr))
		}
		_, _ = c.Services(t.Context())                  // no panic
		_, _ = c.Traces(t.Context(), diagnose.Search{}) // no panic
	})
}
