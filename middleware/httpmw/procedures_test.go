package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// A client names procedures that do not exist, below a pattern whose handler does not
// answer 404. The label sets keep room for the service's own routes.
func TestCallersDoNotFillTheLabelSetsWithProcedures(t *testing.T) {
	rec := mwtest.New(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/shop.Admin/", func(w http.ResponseWriter, r *http.Request) {
		_ = hop.EntryOf(r.Context()) // as a call would
		w.WriteHeader(http.StatusUnauthorized)
	})
	mux.HandleFunc("GET /pay", func(http.ResponseWriter, *http.Request) {})
	h := httpmw.Handler(mux, httpmw.WithTelemetry(rec.Telemetry))
	call := func(method, path string) {
		r := httptest.NewRequest(method, path, nil)
		r.Header.Set("Content-Type", "application/proto")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	call(http.MethodPost, "/shop.Admin/Refund")
	const strange = 3000 // more than the families have room for
	for i := range strange {
		call(http.MethodPost, "/shop.Admin/A"+strings.Repeat("a", i%50)+strings.Repeat("b", i/50))
	}
	call(http.MethodPost, "/shop.Admin/Refund")
	call(http.MethodGet, "/pay")
	for _, family := range []string{"http_server_request_duration_seconds", "hop_duration_seconds"} {
		if n := rec.Series(family); n > 300 {
			t.Errorf("%s: %d series", family, n)
		}
	}
	for route, want := range map[string]int{"/pay": 1, "/shop.Admin/Refund": 2, "/shop.Admin/": strange - 255} {
		if n := rec.Count("http_server_request_duration_seconds", "http_route", route); n != want {
			t.Errorf("%d requests of %s, want %d", n, route, want)
		}
	}
}
