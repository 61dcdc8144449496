package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// The longest path that a server accepts has half a million segments. None may cost a
// lookup of the rest.
func TestAPathOfManySegmentsIsCheap(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", func(http.ResponseWriter, *http.Request) {})
	rec := mwtest.New(t)
	h := httpmw.Handler(http.StripPrefix("/none", mux), httpmw.WithMux(mux), httpmw.WithTelemetry(rec.Telemetry))
	for _, path := range []string{strings.Repeat("/a", 400_000), "/a" + strings.Repeat("/", 800_000)} {
		began := time.Now()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("a path of %d bytes took %s", len(path), took)
		}
	}
}
