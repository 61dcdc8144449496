package mwtest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// In a test of one's own: what one request left in spans, metrics and log.
func ExampleNew() {
	_ = func(t *testing.T) { // func TestCharge(t *testing.T)
		rec := mwtest.New(t)
		mux := http.NewServeMux()
		mux.HandleFunc("POST /charge", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusConflict) })
		r := httptest.NewRequest(http.MethodPost, "/charge", nil)
		r.Header.Set("X-Correlation-Id", "ticket-4711")
		httpmw.Handler(mux, httpmw.WithTelemetry(rec.Telemetry)).ServeHTTP(httptest.NewRecorder(), r)

		rec.Span("POST /charge").Want("http.response.status_code", "409")
		if n := rec.Count("hop_self_duration_seconds", "operation", "POST /charge"); n != 1 {
			t.Errorf("%d measurements", n)
		}
		if line := rec.Line("ticket-4711"); line["level"] != "info" {
			t.Errorf("logged %v", line)
		}
	}
}
