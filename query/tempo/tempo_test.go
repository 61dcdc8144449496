package tempo_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/tempo"
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

func TestTraces(t *testing.T) {
	var asked string
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/search", func(w http.ResponseWriter, r *http.Request) {
		asked = r.FormValue("q") + " " + r.FormValue("start") + " " + r.FormValue("end") + " " + r.FormValue("limit")
		_ = json.NewEncoder(w).Encode(map[string]any{"traces": []map[string]string{{"traceID": id}, {"traceID": "gone"}}})
	})
	mux.HandleFunc("GET /api/traces/"+id, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") != "application/protobuf" {
			t.Errorf("asked for %q", r.Header.Get("Accept"))
		}
		_, _ = w.Write(body(t))
	})
	mux.HandleFunc("GET /api/search/tag/service.name/values", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"tagValues":["gateway","payment"]}`))
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	c, err := tempo.New(srv.URL, srv.Client())
	if err != nil {
		t.Fatal(err)
	}
	found, err := c.Traces(t.Context(), query.Search{Service: "gateway", Operation: `GET "/"`, From: time.Unix(100, 0), To: time.Unix(200, 1), Min: 300 * time.Millisecond,
		Failed: true, Limit: 7})
	if err != nil || len(found) != 1 || found[0].ID != id || len(found[0].Spans) != 1 || found[0].Spans[0].Duration != 20*time.Millisecond {
		t.Errorf("%+v %v", found, err)
	}
	const want = `{ resource.service.name = "gateway" && name = "GET \"/\"" && duration >= 300ms && status = error } with (most_recent=true) 100 201 35`
	if asked != want {
		t.Errorf("asked %s, want %s", asked, want)
	}
	if names, err := c.Services(t.Context()); err != nil || len(names) != 2 {
		t.Errorf("services %v %v", names, err)
	}
}

func TestWhatIsNoTempo(t *testing.T) {
	for body, says := range map[string]string{"<html>": "does not answer like Tempo", `{"traces":[{"traceID":"a"}]}`: "not OTLP"} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
		c, err := tempo.New(srv.URL, srv.Client())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Traces(t.Context(), query.Search{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want %q", body, err, says)
		}
		srv.Close()
	}
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	c, err := tempo.New(srv.URL, srv.Client())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Services(t.Context()); err == nil {
		t.Error("a 404 counts as no services")
	}
	if _, err := tempo.New("tempo:3200", http.DefaultClient); err == nil {
		t.Error("an address without http:// is taken")
	}
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
		_, _ = c.Trace(t.Context(), id)              // no panic
		_, _ = c.Services(t.Context())               // no panic
		_, _ = c.Traces(t.Context(), query.Search{}) // no panic
	})
}
