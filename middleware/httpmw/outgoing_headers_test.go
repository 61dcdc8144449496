package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// A handler sets baggage on its request by hand, as code from before
// OpenTelemetry does, and an upstream that only knows X-Request-ID is called
// (chi's middleware.RequestID makes an ID of its own there).
func TestWhatTheHandlerSetsIsSent(t *testing.T) {
	rec := mwtest.New(t)
	var got http.Header
	up := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer up.Close()
	cl := &http.Client{Transport: httpmw.Transport(nil, httpmw.WithTelemetry(rec.Telemetry))}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Request-ID", "rid-1")
	httpmw.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		req, _ := http.NewRequestWithContext(r.Context(), http.MethodGet, up.URL, nil)
		req.Header.Set("Baggage", "tenant=acme")
		if resp, err := cl.Do(req); err == nil {
			resp.Body.Close()
		}
	}), httpmw.WithTelemetry(rec.Telemetry)).ServeHTTP(httptest.NewRecorder(), r)
	if b := got.Get("Baggage"); b != "correlation.id=rid-1,tenant=acme" {
		t.Errorf("baggage on the wire is %q: tenant is gone", b)
	}
	if got.Get("X-Request-ID") == "" {
		t.Error("the caller's X-Request-ID goes on as X-Correlation-ID only")
	}
}
