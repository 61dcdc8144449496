package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// A handler around the measured one sees the route and the form, as it does without.
func TestAHandlerAroundSeesTheRequest(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/items/{id}", func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
	})
	r := httptest.NewRequest(http.MethodPost, "/items/7?a=1", strings.NewReader("b=2"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	httpmw.Handler(mux, httpmw.WithTelemetry(mwtest.New(t).Telemetry)).ServeHTTP(httptest.NewRecorder(), r)
	if r.Pattern != "/items/{id}" || r.Form.Encode() != "a=1&b=2" || r.PostForm.Encode() != "b=2" {
		t.Errorf("pattern %q, form %v, post form %v", r.Pattern, r.Form, r.PostForm)
	}
}
