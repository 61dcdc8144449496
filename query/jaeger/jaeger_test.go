package jaeger_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/jaeger"
	"github.com/tenhop/tenhop/query/jaeger/jaegertest"
	"github.com/tenhop/tenhop/trace"
)

func client(t *testing.T, srv *httptest.Server) *jaeger.Client {
	t.Helper()
	c, err := jaeger.New(srv.URL+"/", srv.Client())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTraces(t *testing.T) {
	at := time.UnixMicro(1_700_000_000_123_456)
	long := trace.Trace{ID: "a", Spans: []trace.Span{
		{ID: "1", Service: "gateway", Operation: "POST /pay", Kind: "server", Start: at, Duration: time.Second, Attributes: map[string]string{"region": "eu"}},
		{ID: "2", Parent: "1", Service: "payment", Operation: "Charge", Kind: "server", Start: at.Add(time.Millisecond), Duration: 900 * time.Millisecond,
			Attributes: map[string]string{"error": "true"}},
	}}
	short := trace.Trace{ID: "b", Spans: []trace.Span{{ID: "3", Service: "gateway", Operation: "POST /pay", Start: at, Duration: time.Millisecond}}}
	c := client(t, jaegertest.Serve(t, long, short))
	q := query.Search{Service: "gateway", Operation: "POST /pay", From: at.Add(-time.Minute), To: at.Add(time.Minute), Min: 500 * time.Millisecond, Limit: 5}
	found, err := c.Traces(t.Context(), q)
	if err != nil || len(found) != 1 || found[0].ID != "a" {
		t.Fatalf("%+v, %v; want the long one", found, err)
	}
	s := found[0].Spans[1]
	if s.Parent != "1" || s.Service != "payment" || s.Operation != "Charge" || s.Kind != "server" || !s.Start.Equal(at.Add(time.Millisecond)) ||
		s.Duration != 900*time.Millisecond || !s.Failed || found[0].Spans[0].Failed || found[0].Spans[0].Attributes["region"] != "eu" {
		t.Errorf("read %+v", found[0])
	}
	q.Min, q.Max = 0, 500*time.Millisecond
	if found, err := c.Traces(t.Context(), q); err != nil || len(found) != 1 || found[0].ID != "b" {
		t.Errorf("%+v, %v; want the short one", found, err)
	}
	if one, err := c.Trace(t.Context(), "a"); err != nil || len(one.Spans) != 2 {
		t.Errorf("%+v, %v; want the trace", one, err)
	}
	if one, err := c.Trace(t.Context(), "none"); !errors.Is(err, query.ErrNotFound) || len(one.Spans) > 0 {
		t.Errorf("%+v, %v; want no trace and that it was not found", one, err)
	}
}

// A trace may have lost its spans between Jaeger's index and its store.
func TestTracesWithoutSpans(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"data":[{"traceID":"a","spans":[],"processes":{}},
			{"traceID":"b","spans":[{"traceID":"b","spanID":"1","operationName":"GET /","startTime":1,"duration":1,"processID":"p1"}],"processes":{"p1":{"serviceName":"gateway"}}}]}`))
	}))
	defer srv.Close()
	if found, err := client(t, srv).Traces(t.Context(), query.Search{Service: "gateway", Limit: 2}); err != nil || len(found) != 1 || found[0].ID != "b" {
		t.Errorf("%+v, %v; want b alone", found, err)
	}
}

// What is no Jaeger must not look like a Jaeger without traces.
func TestWhatIsNoJaeger(t *testing.T) {
	for _, c := range []struct {
		name, body, says string
		status           int
	}{
		{"404 of something else", "404 page not found\n", "404", http.StatusNotFound},
		{"a proxy", "<html>bad gateway</html>", "502", http.StatusBadGateway},
		{"a page", "<html>welcome</html>", "does not answer like Jaeger", http.StatusOK},
		{"cut short", `{"data":[{"traceID":"a","spans":[`, "does not answer like Jaeger", http.StatusOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer srv.Close()
			ask := client(t, srv)
			for what, question := range map[string]func(context.Context) error{
				"services": func(ctx context.Context) error { _, err := ask.Services(ctx); return err },
				"search":   func(ctx context.Context) error { _, err := ask.Traces(ctx, query.Search{Service: "a"}); return err },
				"trace":    func(ctx context.Context) error { _, err := ask.Trace(ctx, "a"); return err },
			} {
				if err := question(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s: error %v, want one that says %q", what, err, c.says)
				}
			}
		})
	}
	if _, err := jaeger.New("localhost:16686", http.DefaultClient); err == nil {
		t.Error("an address without http:// is taken")
	}
}

func TestNamesAndDependencies(t *testing.T) {
	var asked []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.RequestURI)
		if r.URL.Path == "/api/dependencies" {
			_, _ = w.Write([]byte(`{"data":[{"parent":"a","child":"b","callCount":7}]}`))
			return
		}
		_, _ = w.Write([]byte(`{"data":["x","y"]}`))
	}))
	defer srv.Close()
	c := client(t, srv)
	ops, err := c.Operations(t.Context(), "a/b")
	if err != nil || len(ops) != 2 {
		t.Errorf("%v, %v", ops, err)
	}
	deps, err := c.Dependencies(t.Context(), time.Unix(100, 0), time.Minute)
	if err != nil || len(deps) != 1 || deps[0] != (jaeger.Dependency{Parent: "a", Child: "b", Calls: 7}) {
		t.Errorf("%v, %v", deps, err)
	}
	if want := []string{"/api/services/a%2Fb/operations", "/api/dependencies?endTs=100000&lookback=60000"}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
}

func TestSearch(t *testing.T) {
	var asked string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Query().Get("tags") + " " + r.URL.Query().Get("maxDuration")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"data":null,"errors":[{"code":404,"msg":"service not found"}]}`))
	}))
	defer srv.Close()
	found, err := client(t, srv).Traces(t.Context(), query.Search{Service: "none", Failed: true, Tags: map[string]string{"region": "eu"}, Max: time.Second})
	if err != nil || len(found) != 0 {
		t.Errorf("%v, %v; a service that is not known has no traces", found, err)
	}
	if asked != `{"error":"true","region":"eu"} 1s` {
		t.Errorf("asked for %s", asked)
	}
}
