package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// With -race: a middleware in front of the mux starts a call in a goroutine
// (audit, prefetch) while the mux routes. Transport asks for the entry and reads
// Request.Pattern, which ServeMux is writing (opentelemetry-go-contrib#5914 is
// the peer's race of this kind).
func TestPrefetchBeforeRoutingIsNoRace(t *testing.T) {
	rec := mwtest.New(t)
	up := httptest.NewServer(http.NotFoundHandler())
	defer up.Close()
	cl := &http.Client{Transport: httpmw.Transport(nil, httpmw.WithTelemetry(rec.Telemetry), httpmw.WithDependency("up"))}
	m := http.NewServeMux()
	done := make(chan struct{}, 1)
	m.HandleFunc("GET /items/{id}", func(http.ResponseWriter, *http.Request) { <-done })
	h := httpmw.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, _ := http.NewRequestWithContext(r.Context(), http.MethodGet, up.URL, nil)
		go func() {
			if resp, err := cl.Do(req); err == nil {
				resp.Body.Close()
			}
			done <- struct{}{}
		}()
		m.ServeHTTP(w, r)
	}), httpmw.WithTelemetry(rec.Telemetry))
	for range 50 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/items/7", nil))
	}
}
