package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// The function of WithRouteFunc gets the request with its hop, which it may use.
func TestARouteFuncMayUseTheHop(t *testing.T) {
	for name, use := range map[string]func(*http.Request){
		"Logger":    func(r *http.Request) { hop.Logger(r.Context()).Debug("routed") },
		"Operation": func(r *http.Request) { _ = hop.Operation(r.Context()) + hop.EntryOf(r.Context()) },
		"SetRoute":  func(r *http.Request) { httpmw.SetRoute(r.Context(), "/items/{id}") },
		"StartCall": func(r *http.Request) {
			hop.StartCall(r.Context(), hop.Dependency{Name: "db", Kind: hop.KindDatabase}).End()
		},
	} {
		t.Run(name, func(t *testing.T) {
			rec := mwtest.New(t)
			entry := ""
			h := httpmw.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { entry = hop.EntryOf(r.Context()) }),
				httpmw.WithTelemetry(rec.Telemetry), httpmw.WithRouteFunc(func(r *http.Request) string {
					use(r)
					return "/items/{id}"
				}))
			done := make(chan struct{})
			go func() {
				defer close(done)
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/items/7", nil))
			}()
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				t.Fatal("the request hangs")
			}
			if entry != "GET /items/{id}" {
				t.Errorf("the entry in the handler is %q", entry)
			}
			if n := rec.Count("hop_duration_seconds", "operation", "GET /items/{id}"); n != 1 {
				t.Errorf("%d hops of the route", n)
			}
		})
	}
}
