package httpmw_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// Routers below an outer ServeMux: the outer Pattern beats what the user said
// with WithRouteFunc or WithMux, and a mux behind
// StripPrefix is not found.
func TestTheUsersRouteOptionCounts(t *testing.T) {
	inner := http.NewServeMux()
	inner.HandleFunc("GET /users/{id}", func(http.ResponseWriter, *http.Request) {})
	type key struct{}
	copying := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "tenant")))
	})
	under := func(pattern string, h http.Handler) http.Handler {
		m := http.NewServeMux()
		m.Handle(pattern, h)
		return m
	}
	for name, c := range map[string]struct {
		h          http.Handler
		opt        httpmw.Option
		path, want string
	}{
		"WithRouteFunc under a mux":               {under("/", copying), httpmw.WithRouteFunc(func(*http.Request) string { return "/users/{id}" }), "/users/7", "/users/{id}"},
		"WithMux(inner) under a mux":              {under("/", copying), httpmw.WithMux(inner), "/users/7", "/users/{id}"},
		"StripPrefix, WithMux(inner)":             {http.StripPrefix("/api", inner), httpmw.WithMux(inner), "/api/users/7", "/users/{id}"},
		"StripPrefix under a mux, WithMux(inner)": {under("/api/", http.StripPrefix("/api", inner)), httpmw.WithMux(inner), "/api/users/7", "/api/users/{id}"},
	} {
		rec := mwtest.New(t)
		w := httptest.NewRecorder()
		httpmw.Handler(c.h, c.opt, httpmw.WithTelemetry(rec.Telemetry)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, c.path, nil))
		if got := rec.Spans()[0].Attributes["http.route"]; got != c.want || w.Code != 200 {
			t.Errorf("%s (%d): route %q, want %q", name, w.Code, got, c.want)
		}
	}
}
