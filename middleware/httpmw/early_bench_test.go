package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// BenchmarkOperationInHandler asks for the operation within a handler, as each call that a
// hop makes does, below ten handlers.
func BenchmarkOperationInHandler(b *testing.B) {
	for name, with := range map[string]bool{"WithMux": true, "mux": false} {
		b.Run(name, func(b *testing.B) {
			mux := http.NewServeMux()
			mux.HandleFunc("GET /users/{id}", func(_ http.ResponseWriter, r *http.Request) {
				h := adapter.FromContext(r.Context())
				b.ReportAllocs()
				for b.Loop() {
					if h.Operation() == "" {
						b.Fatal("no operation")
					}
				}
			})
			opts := []httpmw.Option{httpmw.WithTelemetry(mwtest.New(b).Telemetry)}
			if with {
				opts = append(opts, httpmw.WithMux(mux))
			}
			h := http.Handler(mux)
			for range 10 {
				next := h
				h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, r) })
			}
			httpmw.Handler(h, opts...).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/users/7", nil))
		})
	}
}
