package httpmw

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
)

// Orchestrion weaves calls of the functions of this file into net/http, as orchestrion.yml
// says. A build without it does not use them.

// orchestrionHandler returns the handler of an http.Server that is about to serve, or nil
// when there is nothing to change.
func orchestrionHandler(h http.Handler) http.Handler {
	if h == nil {
		h = http.DefaultServeMux
	}
	if _, ok := h.(*server); ok {
		return nil
	}
	return adapter.Woven(hop.Default().Core(), "HTTP servers", func() http.Handler { return Handler(h) })
}

// orchestrionTransport returns what makes a call of t in its stead, and the request for it.
// It returns nil for a call that is measured already, for one outside a hop, for one of
// an OTLP exporter and for all when the registry refuses their metrics.
func orchestrionTransport(t *http.Transport, r *http.Request) (http.RoundTripper, *http.Request) {
	ctx := r.Context()
	if adapter.FromContext(ctx) == nil || ctx.Value(wovenKey{}) != nil ||
		strings.HasPrefix(r.Header.Get("User-Agent"), "OTel OTLP Exporter") {
		return nil, nil
	}
	woven := wovenTransport()
	if woven == nil {
		return nil, nil
	}
	return woven, r.WithContext(context.WithValue(ctx, wovenKey{}, t))
}

type wovenKey struct{}

var wovenTransport = sync.OnceValue(func() http.RoundTripper {
	return adapter.Woven(hop.Default().Core(), "HTTP calls", func() http.RoundTripper { return Transport(wovenBase{}) })
})

// wovenBase makes calls by the transport that is in their context.
type wovenBase struct{}

func (wovenBase) RoundTrip(r *http.Request) (*http.Response, error) {
	return r.Context().Value(wovenKey{}).(*http.Transport).RoundTrip(r)
}

var _, _ = orchestrionHandler, orchestrionTransport // called by woven code only
