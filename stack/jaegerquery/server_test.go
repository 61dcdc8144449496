package jaegerquery_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/stack/jaegerquery"
	"github.com/tenhop/tenhop/stack/tracestore"
)

// source answers every search with one trace and remembers what was asked.
// What a real Jaeger answers is checked by the contract test of package stack.
type source struct {
	asked tracestore.Query
	trace func() ptrace.Traces
	err   error
}

func (s *source) Services() []string { return []string{"gateway"} }

func (s *source) Operations(service, kind string) []tracestore.Operation {
	return []tracestore.Operation{{Name: service + " op", Kind: kind}}
}

func (s *source) Trace(context.Context, pcommon.TraceID) (ptrace.Traces, error) {
	if s.err != nil {
		return ptrace.Traces{}, s.err
	}
	return s.trace(), nil
}

func (s *source) Find(_ context.Context, q tracestore.Query) ([]ptrace.Traces, error) {
	s.asked = q
	if s.err != nil {
		return nil, s.err
	}
	return []ptrace.Traces{s.trace()}, nil
}

func (s *source) Dependencies(context.Context, time.Time, time.Time) ([]tracestore.Dependency, error) {
	return []tracestore.Dependency{{Parent: "gateway", Child: "payment", Calls: 3}}, s.err
}

func oneSpan() ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "gateway")
	span := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	span.SetTraceID(pcommon.TraceID{15: 1})
	span.SetSpanID(pcommon.SpanID{7: 1})
	span.SetStartTimestamp(1795435200123456789)
	span.SetEndTimestamp(1795435200123999999)
	return td
}

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestV3ParametersInBothSpellings(t *testing.T) {
	want := tracestore.Query{
		Service: "payment", Operation: "Charge",
		StartMin: time.Date(2026, 11, 23, 12, 0, 0, 1, time.UTC), StartMax: time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC),
		DurationMin: 500 * time.Millisecond, DurationMax: 2 * time.Second, Limit: 7,
	}
	for name, q := range map[string]string{
		"as Jaeger reads them": "query.service_name=payment&query.operation_name=Charge&query.start_time_min=2026-11-23T12:00:00.000000001Z&query.start_time_max=2026-11-23T13:00:00Z&query.duration_min=500ms&query.duration_max=2s&query.num_traces=7",
		"as its OpenAPI says":  "query.serviceName=payment&query.operationName=Charge&query.startTimeMin=2026-11-23T12:00:00.000000001Z&query.startTimeMax=2026-11-23T13:00:00Z&query.durationMin=500ms&query.durationMax=2s&query.searchDepth=7",
	} {
		src := &source{trace: oneSpan}
		if w := get(jaegerquery.Handler(src), "/api/v3/traces?"+q); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		got := src.asked
		if !got.StartMin.Equal(want.StartMin) || !got.StartMax.Equal(want.StartMax) {
			t.Errorf("%s: from %v to %v", name, got.StartMin, got.StartMax)
		}
		got.StartMin, got.StartMax = want.StartMin, want.StartMax
		if got.Service != want.Service || got.Operation != want.Operation || got.DurationMin != want.DurationMin ||
			got.DurationMax != want.DurationMax || got.Limit != want.Limit {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestV3KeepsNanoseconds(t *testing.T) {
	w := get(jaegerquery.Handler(&source{trace: oneSpan}), "/api/v3/traces/1")
	if !strings.Contains(w.Body.String(), `"startTimeUnixNano":"1795435200123456789","endTimeUnixNano":"1795435200123999999"`) {
		t.Error(w.Body)
	}
}

func TestV3SearchByAttributes(t *testing.T) {
	src := &source{trace: oneSpan}
	q := url.Values{
		"query.start_time_min": {"2026-11-23T12:00:00Z"}, "query.start_time_max": {"2026-11-23T13:00:00Z"},
		"query.attributes": {`{"region":"eu"}`},
	}
	if w := get(jaegerquery.Handler(src), "/api/v3/traces?"+q.Encode()); w.Code != 200 || src.asked.Attributes["region"] != "eu" {
		t.Errorf("%d %+v", w.Code, src.asked)
	}
	q.Set("query.attributes", "region=eu")
	if w := get(jaegerquery.Handler(src), "/api/v3/traces?"+q.Encode()); w.Code != 400 {
		t.Errorf("malformed: %d %s", w.Code, w.Body)
	}
}

func TestV3Dependencies(t *testing.T) {
	h := jaegerquery.Handler(&source{})
	w := get(h, "/api/v3/dependencies?start_time=2026-11-23T12:00:00Z&endTime=2026-11-23T13:00:00Z")
	if want := `{"dependencies":[{"parent":"gateway","child":"payment","callCount":"3"}]}`; strings.TrimSpace(w.Body.String()) != want {
		t.Errorf("%s, want %s", w.Body, want)
	}
	if w := get(h, "/api/v3/dependencies"); w.Code != 400 {
		t.Errorf("without times: %d", w.Code)
	}
}

func TestSearchDefaults(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	src := &source{trace: oneSpan}
	get(jaegerquery.Handler(src, jaegerquery.WithClock(func() time.Time { return now })), "/api/traces?service=gateway")
	if !src.asked.StartMax.Equal(now) || !src.asked.StartMin.Equal(now.Add(-48*time.Hour)) || src.asked.Limit != 100 {
		t.Errorf("%+v", src.asked)
	}
}

// A trace that is asked for a thousand times is held in memory once.
func TestRepeatedTraceIDs(t *testing.T) {
	handler := jaegerquery.Handler(&source{trace: oneSpan})
	w := get(handler, "/api/traces?traceID=1"+strings.Repeat("&traceID=1", 1000))
	var answer struct{ Data []json.RawMessage }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK || len(answer.Data) != 1 {
		t.Errorf("%d: %d traces, %v", w.Code, len(answer.Data), err)
	}
}

func TestStoreFailureIsAnInternalError(t *testing.T) {
	h := jaegerquery.Handler(&source{err: errors.New("disk on fire")})
	for _, path := range []string{
		"/api/traces/1", "/api/traces?service=x", "/api/dependencies", "/api/v3/traces/1",
		"/api/v3/traces?query.start_time_min=2026-11-23T12:00:00Z&query.start_time_max=2026-11-23T13:00:00Z",
	} {
		if w := get(h, path); w.Code != 500 || !strings.Contains(w.Body.String(), "disk on fire") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestWebPathsLeadToTheConsole(t *testing.T) {
	console := &url.URL{Scheme: "http", Host: "127.0.0.1:8000"}
	h := jaegerquery.Handler(&source{}, jaegerquery.WithUI(console))
	for path, want := range map[string]string{
		"/":                         "http://127.0.0.1:8000/",
		"/trace/abc":                "http://127.0.0.1:8000/trace/abc",
		"/search?service=payment":   "http://127.0.0.1:8000/search?service=payment",
		"/trace/abc?uiFind=payment": "http://127.0.0.1:8000/trace/abc?uiFind=payment",
	} {
		if w := get(h, path); w.Code != http.StatusFound || w.Header().Get("Location") != want {
			t.Errorf("%s: %d %s, want %s", path, w.Code, w.Header().Get("Location"), want)
		}
	}
	if w := get(jaegerquery.Handler(&source{}), "/search"); w.Code != http.StatusNotFound {
		t.Errorf("without a console: %d", w.Code)
	}
}

// A span of any shape is answered in both APIs, whatever its parents are.
func TestOddSpans(t *testing.T) {
	odd := func() ptrace.Traces {
		td := oneSpan()
		ss := td.ResourceSpans().At(0).ScopeSpans().At(0)
		host := td.ResourceSpans().At(0).Resource().Attributes()
		host.PutStr("host.name", "box")
		host.PutStr("ip", "10.0.0.1")
		for id, parent := range map[byte]byte{2: 3, 3: 2, 4: 4, 5: 99} { // a circle, itself, nobody
			span := ss.Spans().AppendEmpty()
			span.SetTraceID(pcommon.TraceID{15: 1})
			span.SetSpanID(pcommon.SpanID{7: id})
			span.SetParentSpanID(pcommon.SpanID{7: parent})
		}
		ss.Spans().At(0).Attributes().PutDouble("infinite", 1/zero)
		ss.Spans().At(0).Attributes().PutStr("@jaeger@warnings", "not a list")
		ss.Spans().At(0).Links().AppendEmpty()
		return td
	}
	h := jaegerquery.Handler(&source{trace: odd})
	for _, path := range []string{"/api/traces/1", "/api/traces/1?raw=true", "/api/v3/traces/1"} {
		w := get(h, path)
		var v any
		if err := json.Unmarshal(w.Body.Bytes(), &v); w.Code != 200 || err != nil {
			t.Errorf("%s: %d %v %s", path, w.Code, err, w.Body)
		}
	}
}

var zero float64

func FuzzParameters(f *testing.F) {
	f.Add("/api/traces", "service=a&tags={}&start=1&end=2&minDuration=1s")
	f.Add("/api/v3/traces", "query.start_time_min=2026-11-23T12:00:00Z&query.start_time_max=2026-11-23T13:00:00Z")
	f.Add("/api/traces/ff", "raw=true")
	h := jaegerquery.Handler(&source{trace: oneSpan})
	f.Fuzz(func(t *testing.T, path, query string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path, r.URL.RawQuery = path, query
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
