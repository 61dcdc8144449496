package httpmw_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// The optional interfaces of the server's writer are those that the handler sees.
func TestTheWriterHidesNothing(t *testing.T) {
	probe := func(w http.ResponseWriter) string {
		_, f := w.(http.Flusher)
		_, h := w.(http.Hijacker)
		_, p := w.(http.Pusher)
		_, r := w.(io.ReaderFrom)
		_, s := w.(io.StringWriter)
		_, c := w.(interface{ CloseNotify() <-chan bool })
		return fmt.Sprint("flusher ", f, ", hijacker ", h, ", pusher ", p, ", reader-from ", r, ", string writer ", s, ", close notifier ", c)
	}
	for _, http2 := range []bool{false, true} {
		var got [2]string
		bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { got[0] = probe(w) })
		wrapped := httpmw.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { got[1] = probe(w) }), httpmw.WithTelemetry(mwtest.New(t).Telemetry))
		for _, h := range []http.Handler{bare, wrapped} {
			srv := httptest.NewUnstartedServer(h)
			srv.EnableHTTP2 = http2
			srv.StartTLS()
			resp, err := srv.Client().Get(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			srv.Close()
		}
		if got[0] != got[1] || got[0] == "" {
			t.Errorf("HTTP/2 %v: the server has %s; the handler sees %s", http2, got[0], got[1])
		}
	}
}

// A measured handler within a measured handler is one hop, with the inner route.
func TestNestedHandlersAreOneHop(t *testing.T) {
	rec := mwtest.New(t)
	tel := httpmw.WithTelemetry(rec.Telemetry)
	inner := http.NewServeMux()
	inner.HandleFunc("GET /items/{id}", func(http.ResponseWriter, *http.Request) {})
	outer := http.NewServeMux()
	outer.Handle("/", httpmw.Handler(inner, tel))
	httpmw.Handler(outer, tel).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/items/7", nil))
	if n := rec.Count("hop_duration_seconds"); n != 1 || len(rec.Spans()) != 1 || len(rec.Lines()) != 1 {
		t.Errorf("%d hops, %d spans, %d lines", n, len(rec.Spans()), len(rec.Lines()))
	}
	if got := rec.Spans()[0].Name; got != "GET /items/{id}" {
		t.Errorf("the span is %q", got)
	}
}

// A handler's own name of its span stays.
func TestTheHandlersSpanNameStays(t *testing.T) {
	rec := mwtest.New(t)
	httpmw.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		trace.SpanFromContext(r.Context()).SetName("query GetCart")
	}), httpmw.WithTelemetry(rec.Telemetry)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/graphql", nil))
	if n := rec.Spans()[0].Name; n != "query GetCart" {
		t.Errorf("the span is %q", n)
	}
}

// One malformed member of baggage costs itself.
func TestMalformedBaggageMember(t *testing.T) {
	var got string
	h := httpmw.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = baggage.FromContext(r.Context()).Member("tenant").Value()
	}), httpmw.WithTelemetry(mwtest.New(t).Telemetry))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Baggage", "a b=c d,tenant=acme,=x,%zz=%")
	h.ServeHTTP(httptest.NewRecorder(), r)
	if got != "acme" {
		t.Errorf("tenant is %q", got)
	}
}

// Streams that last as long as the client listens are no latency.
func TestStreamsAreNoLatency(t *testing.T) {
	for media, want := range map[string]uint64{"text/event-stream": 0, "application/x-ndjson": 0, "application/jsonl; charset=utf-8": 0,
		"application/json": 1} {
		rec := mwtest.New(t)
		httpmw.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", media)
			w.(http.Flusher).Flush()
		}), httpmw.WithTelemetry(rec.Telemetry)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		if n := rec.Count("hop_duration_seconds"); uint64(n) != want {
			t.Errorf("%s: %d durations, want %d", media, n, want)
		}
	}
}

// The log line of a panic has its stack.
func TestPanicHasAStack(t *testing.T) {
	rec := mwtest.New(t)
	h := httpmw.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic(slog.String("k", "v"))
	}), httpmw.WithTelemetry(rec.Telemetry))
	func() {
		defer func() { _ = recover() }()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}()
	if s, _ := rec.Lines()[0]["stack"].(string); s == "" {
		t.Errorf("no stack in %v", rec.Lines()[0])
	}
}
