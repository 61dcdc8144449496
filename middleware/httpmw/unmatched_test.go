package httpmw_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// A process whose handlers hide their routes says so once, with the remedy, however many
// handlers it has. Requests for what is not there do not count.
func TestLostRoutesAreSaidOnce(t *testing.T) {
	type key struct{}
	for _, c := range []struct {
		why    string
		status int
		hides  bool
		want   int
	}{
		{"hidden", 200, true, 1}, {"seen", 200, false, 0}, {"not found", 404, true, 0},
	} {
		rec := mwtest.New(t)
		for range 3 {
			mux := http.NewServeMux()
			mux.HandleFunc("/items/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.status) })
			var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.hides {
					r = r.WithContext(context.WithValue(r.Context(), key{}, 1))
				}
				mux.ServeHTTP(w, r)
			})
			h = httpmw.Handler(h, httpmw.WithTelemetry(rec.Telemetry))
			for range 150 {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/items/7", nil))
			}
		}
		warnings := 0
		for _, l := range rec.Lines() {
			if m, _ := l["message"].(string); l["level"] == "warn" && strings.Contains(m, "httpmw.WithinRouter") {
				warnings++
			}
		}
		if warnings != c.want {
			t.Errorf("%s: %d warnings, want %d", c.why, warnings, c.want)
		}
	}
}
