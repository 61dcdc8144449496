package jaegerquery_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/stack/jaegerquery"
)

// TestProcessAllocations holds that the process of a span is not composed for each of its
// spans: the allocations of a span do not grow with the attributes of its resource.
func TestProcessAllocations(t *testing.T) {
	const spans = 100
	perSpan := func(attributes int) float64 {
		src := &source{trace: func() ptrace.Traces {
			td := ptrace.NewTraces()
			rs := td.ResourceSpans().AppendEmpty()
			rs.Resource().Attributes().PutStr("service.name", "gateway")
			for i := range attributes {
				rs.Resource().Attributes().PutStr(fmt.Sprintf("attribute.%02d", i), "value")
			}
			ss := rs.ScopeSpans().AppendEmpty()
			for i := range byte(spans) {
				s := ss.Spans().AppendEmpty()
				s.SetTraceID(pcommon.TraceID{15: 1})
				s.SetSpanID(pcommon.SpanID{7: i + 1})
			}
			return td
		}}
		h := jaegerquery.Handler(src)
		return testing.AllocsPerRun(10, func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/traces?service=gateway", nil))
			if w.Code != http.StatusOK {
				t.Fatal(w.Body)
			}
		}) / spans
	}
	few, many := perSpan(1), perSpan(40)
	if many > few+5 {
		t.Errorf("%.1f allocations per span with 40 attributes, %.1f with one", many, few)
	}
}

// TestProcessesOfSpans has spans that describe the SDK among those that do not.
func TestProcessesOfSpans(t *testing.T) {
	src := &source{trace: func() ptrace.Traces {
		td := ptrace.NewTraces()
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", "gateway")
		for i, sdk := range []string{"", "go", "", "java", "go"} {
			s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
			s.SetTraceID(pcommon.TraceID{15: 1})
			s.SetSpanID(pcommon.SpanID{7: byte(i) + 1})
			if sdk != "" {
				s.Attributes().PutStr("telemetry.sdk.language", sdk)
			}
		}
		return td
	}}
	w := httptest.NewRecorder()
	jaegerquery.Handler(src).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/traces?service=gateway", nil))
	var got struct {
		Data []struct {
			Spans     []struct{ ProcessID string }
			Processes map[string]struct{ Tags []struct{ Value string } }
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got.Data) != 1 {
		t.Fatalf("%v: %s", err, w.Body)
	}
	var ids string
	for _, s := range got.Data[0].Spans {
		ids += " " + s.ProcessID
	}
	if want := " p1 p2 p1 p3 p2"; ids != want || len(got.Data[0].Processes) != 3 {
		t.Errorf("the spans have the processes%s, want%s: %s", ids, want, w.Body)
	}
}
