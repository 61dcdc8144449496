package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// A public edge ignores the baggage of its callers: a reverse proxy there, which copies
// the headers of its request, does not send it to the services behind. What the edge adds
// itself goes on.
func TestAPublicProxyPassesNoBaggageOn(t *testing.T) {
	for _, public := range []bool{true, false} {
		rec := mwtest.New(t)
		var got http.Header
		up := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
		defer up.Close()
		target, err := url.Parse(up.URL)
		if err != nil {
			t.Fatal(err)
		}
		proxy := httputil.NewSingleHostReverseProxy(target)
		proxy.Transport = httpmw.Transport(nil, httpmw.WithTelemetry(rec.Telemetry))
		next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Add("Baggage", "region=eu")
			proxy.ServeHTTP(w, r)
		})
		opts := []httpmw.Option{httpmw.WithTelemetry(rec.Telemetry)}
		if public {
			opts = append(opts, httpmw.WithPublicEdge())
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "10.0.0.7:49152"
		r.Header.Set("Baggage", "customer.tier=gold, correlation.id=c-1,hop.entry=evil,hop.start=1700000000000,region=us;p=1")
		httpmw.Handler(next, opts...).ServeHTTP(httptest.NewRecorder(), r)
		baggage := got.Get("Baggage")
		if strings.Contains(baggage, "tier") == public || strings.Contains(baggage, "evil") == public || strings.Contains(baggage, "region=us") == public {
			t.Errorf("public %v: baggage %q", public, baggage)
		}
		if public && (!strings.Contains(baggage, "region=eu") || got.Get("X-Correlation-Id") == "c-1") {
			t.Errorf("baggage %q, correlation ID %q", baggage, got.Get("X-Correlation-Id"))
		}
	}
}
