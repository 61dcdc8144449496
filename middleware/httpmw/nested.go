package httpmw

import (
	"context"
	"net/http"
	"reflect"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// measuredBy returns the state of a handler around this one that measures the same
// message, or nil.
func (s *server) measuredBy(ctx context.Context, w http.ResponseWriter, r *http.Request) *state {
	h := adapter.FromContext(ctx)
	if h == nil || h.Core() != s.core {
		return nil
	}
	outer, ok := h.Local().(*state)
	if !ok {
		return nil
	}
	outer.mu.Lock()
	header := outer.req.Header
	outer.mu.Unlock()
	if header != nil && reflect.ValueOf(header).Pointer() == reflect.ValueOf(r.Header).Pointer() {
		return outer
	}
	for range 16 {
		if own, ok := w.(interface{ measured() *recorder }); ok && own.measured() == &outer.recorder {
			return outer
		}
		inner, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = inner.Unwrap()
	}
	return nil
}

func (r *recorder) measured() *recorder { return r }

// serveWithin serves a request that outer measures. outer takes the route.
func (s *server) serveWithin(outer *state, w http.ResponseWriter, r *http.Request) {
	defer func() {
		if pattern := s.router.final(r); pattern != "" {
			outer.mu.Lock()
			outer.inner = routeOf(pattern)
			outer.mu.Unlock()
		}
	}()
	s.next.ServeHTTP(w, r)
}

// countRoute warns once in a process when most of its requests that were handled have no
// route.
func (s *server) countRoute(route string, code int) {
	if route == unmatched && (code == http.StatusNotFound || code == http.StatusMethodNotAllowed || code >= 500) {
		return
	}
	if n, m, warn := s.core.CountRoute(route != unmatched); warn {
		s.core.Logger().Warn("most requests have no route: the router hides it from the handler around it; use httpmw.WithinRouter in the router, or httpmw.WithMux, httpmw.WithRouteFunc or httpmw.SetRoute",
			"unmatched", n, "matched", m)
	}
}
