package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// What the handler sets or adds replaces the correlation ID in the response.
func TestTheHandlersCorrelationHeaderStays(t *testing.T) {
	for _, want := range [][]string{{"mine"}, {"mine", "and yours"}} {
		for _, write := range []bool{false, true} {
			w := httptest.NewRecorder()
			httpmw.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for _, id := range want {
					w.Header().Add("X-Correlation-ID", id)
				}
				if write {
					w.WriteHeader(http.StatusAccepted)
				}
			}), httpmw.WithTelemetry(mwtest.New(t).Telemetry)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			if got := w.Result().Header.Values("X-Correlation-ID"); !slices.Equal(got, want) {
				t.Errorf("written %v: the answer has %q, want %q", write, got, want)
			}
		}
	}
}
