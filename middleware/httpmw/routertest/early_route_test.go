package routertest

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// A middleware of a sub-router asks an authorisation service before the leaf is
// routed. That first call must not fix the route at the mount's wildcard.
// .
func TestCallInSubrouterMiddlewareKeepsTheRoute(t *testing.T) {
	authz := httptest.NewServer(http.NotFoundHandler())
	defer authz.Close()
	leaf := func(http.ResponseWriter, *http.Request) {}
	for name, build := range map[string]func(auth func(http.Handler) http.Handler, mw func(http.Handler) http.Handler) http.Handler{
		"chi": func(auth, mw func(http.Handler) http.Handler) http.Handler {
			r := chi.NewRouter()
			r.Use(mw)
			r.Route("/api", func(s chi.Router) { s.Use(auth); s.Get("/users/{id}", leaf) })
			return r
		},
		"ServeMux in a ServeMux": func(auth, mw func(http.Handler) http.Handler) http.Handler {
			in, out := http.NewServeMux(), http.NewServeMux()
			in.HandleFunc("GET /api/users/{id}", leaf)
			out.Handle("/api/", auth(in))
			return mw(out)
		},
	} {
		rec := mwtest.New(t)
		cl := &http.Client{Transport: httpmw.Transport(nil, httpmw.WithTelemetry(rec.Telemetry), httpmw.WithDependency("authz"))}
		auth := func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				req, _ := http.NewRequestWithContext(r.Context(), http.MethodGet, authz.URL, nil)
				if resp, err := cl.Do(req); err == nil {
					resp.Body.Close()
				}
				next.ServeHTTP(w, r)
			})
		}
		mw := httpmw.Middleware(httpmw.WithTelemetry(rec.Telemetry), httpmw.WithRouteFunc(func(r *http.Request) string {
			return chi.RouteContext(r.Context()).RoutePattern() // "" without chi
		}))
		build(auth, mw).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/api/users/7", nil))
		if n := rec.Count("http_server_request_duration_seconds", "http_route", "/api/users/{id}"); n != 1 {
			t.Errorf("%s: span is %q", name, rec.Spans()[len(rec.Spans())-1].Name)
		}
	}
}
