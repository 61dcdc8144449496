package elasticmw_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/elasticmw"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// engine answers requests in an engine's place.
type engine func(*http.Request) (*http.Response, error)

func (f engine) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}
}

func TestConformance(t *testing.T) {
	mwtest.TestClient(t, mwtest.Client{
		Kind: trace.SpanKindClient, Family: "db_client_operation_duration_seconds",
		Labels:     []string{"db_system_name", "elasticsearch", "db_operation_name", "search", "dependency", "product-search"},
		Dependency: hop.Dependency{Name: "product-search", Kind: hop.KindDatabase},
		Call: func(t *testing.T, ctx context.Context, c mwtest.Outbound) {
			tr := elasticmw.Transport(engine(func(*http.Request) (*http.Response, error) {
				if err := c.Remote(nil); err != nil {
					return nil, err
				}
				return answer(http.StatusOK, "{}"), nil
			}), "product-search", elasticmw.WithTelemetry(c.Telemetry))
			req, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://engine:9200/products/_search", strings.NewReader("{}"))
			if resp, err := tr.RoundTrip(req); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		},
	})
}

// Requests are named by their API, never by what a path says of documents.
func TestOperations(t *testing.T) {
	for _, c := range []struct{ method, path, operation, index string }{
		{"HEAD", "/", "ping", ""},
		{"GET", "/", "info", ""},
		{"PUT", "/products", "indices.create", "products"},
		{"HEAD", "/products", "indices.exists", "products"},
		{"POST", "/products/_search?size=3", "search", "products"},
		{"GET", "/_search/scroll", "scroll", ""},
		{"POST", "/products/_pit?keep_alive=1m", "open_point_in_time", "products"},
		{"DELETE", "/_pit", "close_point_in_time", ""},
		{"GET", "/_pit", "_OTHER", ""},
		{"POST", "/products/_search/point_in_time?keep_alive=1m", "create_pit", "products"},
		{"DELETE", "/_search/point_in_time", "delete_pit", ""},
		{"DELETE", "/_search/point_in_time/_all", "delete_all_pits", ""},
		{"GET", "/_search/point_in_time/_all", "get_all_pits", ""},
		{"POST", "/_aliases", "indices.update_aliases", ""},
		{"GET", "/_aliases", "indices.get_alias", ""},
		{"GET", "/products/_aliases", "indices.get_alias", "products"},
		{"PUT", "/products/_aliases/sale", "indices.put_alias", "products"},
		{"DELETE", "/products/_aliases/sale", "indices.delete_alias", "products"},
		{"PUT", "/products/_alias/sale", "indices.put_alias", "products"},
		{"POST", "/_bulk", "bulk", ""},
		{"POST", "/products/_bulk", "bulk", "products"},
		{"PUT", "/users/_doc/alice@example.com", "index", "users"},
		{"GET", "/users/_doc/_alice", "get", "users"},
		{"DELETE", "/users/_doc/4111111111111111", "delete", "users"},
		{"GET", "/_all/_count", "count", "_all"},
		{"GET", "/_cat/shards", "cat", ""},
		{"GET", "/a/b/c", "_OTHER", ""},
		{"GET", "/_made_up_by_a_caller", "_OTHER", ""},
		{"BREW", "/products", "_OTHER", "products"},
	} {
		rec := mwtest.New(t)
		tr := elasticmw.Transport(engine(func(*http.Request) (*http.Response, error) { return answer(http.StatusOK, "{}"), nil }),
			"product-search", elasticmw.WithTelemetry(rec.Telemetry))
		req, _ := http.NewRequestWithContext(t.Context(), c.method, "http://engine:9200"+c.path, http.NoBody)
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		got := rec.Spans()[0]
		if got.Name != c.operation || got.Attributes["db.operation.name"] != c.operation || got.Attributes["db.collection.name"] != c.index {
			t.Errorf("%s %s: span %q of index %v, want %q of %q", c.method, c.path, got.Name, got.Attributes["db.collection.name"], c.operation, c.index)
		}
		for key, value := range got.Attributes {
			if strings.Contains(value, "alice") || strings.Contains(value, "4111") {
				t.Errorf("%s has %q", key, value)
			}
		}
	}
}

func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		why, method, path string
		status            int
		err               error
		errorType         string
	}{
		{"an answer", "POST", "/products/_search", 200, nil, ""},
		{"a document that is missing is an answer", "GET", "/products/_doc/1", 404, nil, ""},
		{"an index that is missing fails a search", "POST", "/products/_search", 404, nil, "404"},
		{"a full queue", "POST", "/products/_search", 429, nil, "429"},
		{"an engine that is not ready", "POST", "/products/_search", 503, nil, "503"},
		{"an engine that is away", "POST", "/products/_search", 0, errors.New("connection refused"), "*errors.errorString"},
		{"an engine that does not answer", "POST", "/products/_search", 0, context.DeadlineExceeded, "timeout"},
	} {
		rec := mwtest.New(t)
		tr := elasticmw.Transport(engine(func(*http.Request) (*http.Response, error) {
			if c.err != nil {
				return nil, c.err
			}
			return answer(c.status, "{}"), nil
		}), "product-search", elasticmw.WithTelemetry(rec.Telemetry))
		req, _ := http.NewRequestWithContext(t.Context(), c.method, "http://engine:9200"+c.path, http.NoBody)
		if resp, err := tr.RoundTrip(req); err == nil {
			resp.Body.Close()
		}
		got := rec.Spans()[0]
		if got.Attributes["error.type"] != c.errorType || (got.Status == codes.Error) != (c.errorType != "") {
			t.Errorf("%s: status %v, error.type %v, want %q", c.why, got.Status, got.Attributes["error.type"], c.errorType)
		}
		if n := rec.Count("db_client_operation_duration_seconds", "dependency", "product-search", "error_type", c.errorType); n != 1 {
			t.Errorf("%s: %d observations with error_type %q", c.why, n, c.errorType)
		}
	}
}

// The engine gets the trace and the correlation ID, unless the client has set one.
func TestHeaders(t *testing.T) {
	rec := mwtest.New(t)
	ctx, h := rec.Core().Begin(t.Context(), adapter.Incoming{Protocol: "http", Operation: "GET /search"})
	var got http.Header
	tr := elasticmw.Transport(engine(func(r *http.Request) (*http.Response, error) {
		got = r.Header
		return answer(http.StatusOK, "{}"), nil
	}), "product-search", elasticmw.WithTelemetry(rec.Telemetry))
	for _, own := range []string{"", "nightly-import"} {
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://engine:9200/products/_search", http.NoBody)
		want := hop.CorrelationID(ctx)
		if own != "" {
			req.Header.Set("X-Opaque-Id", own)
			want = own
		}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got.Get("X-Opaque-Id") != want || !strings.Contains(got.Get("traceparent"), h.Span().SpanContext().TraceID().String()) {
			t.Errorf("headers %v, want the ID %q", got, want)
		}
		if req.Header.Get("traceparent") != "" {
			t.Error("the caller's request was modified")
		}
	}
	h.End(adapter.Outcome{})
}

// A body that is never closed ends with its hop.
func TestAbandonedBody(t *testing.T) {
	rec := mwtest.New(t)
	ctx, h := rec.Core().Begin(t.Context(), adapter.Incoming{Protocol: "http", Operation: "GET /search"})
	tr := elasticmw.Transport(engine(func(*http.Request) (*http.Response, error) { return answer(http.StatusOK, "{}"), nil }),
		"product-search", elasticmw.WithTelemetry(rec.Telemetry))
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://engine:9200/products/_search", http.NoBody)
	if _, err := tr.RoundTrip(req); err != nil {
		t.Fatal(err)
	}
	h.End(adapter.Outcome{})
	if n := rec.Count("hop_wait_duration_seconds", "dependency", "product-search", "dependency_kind", "database"); n != 1 {
		t.Errorf("%d waits", n)
	}
}

func TestWrongUse(t *testing.T) {
	for why, f := range map[string]func(){
		"no name":       func() { elasticmw.Transport(nil, "") },
		"nil option":    func() { elasticmw.Transport(nil, "search", nil) },
		"nil telemetry": func() { elasticmw.WithTelemetry(nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", why)
				}
			}()
			f()
		}()
	}
}
