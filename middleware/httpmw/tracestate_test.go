package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"go.opentelemetry.io/otel/trace/noop"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// A reverse proxy copies the headers of its request. A tracestate belongs to the
// traceparent that it came with: it must not go on with another one.
func TestAProxyDoesNotMixTraceContexts(t *testing.T) {
	const parent, state = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "vendor=1"
	none := hop.WithTracerProvider(noop.NewTracerProvider())
	for name, c := range map[string]struct {
		telemetry []hop.Option
		handler   []httpmw.Option
		transport []httpmw.Option
		want      string
	}{
		"the trace goes on":      {want: state},
		"a new trace":            {handler: []httpmw.Option{httpmw.WithPublicEdge()}},
		"an untrusted host":      {handler: []httpmw.Option{httpmw.WithPublicEdge()}, transport: []httpmw.Option{httpmw.WithTrustedHosts()}},
		"two formats":            {handler: []httpmw.Option{httpmw.WithPublicEdge()}, transport: []httpmw.Option{httpmw.WithB3Propagation()}},
		"nothing of its own":     {telemetry: []hop.Option{none}, handler: []httpmw.Option{httpmw.WithPublicEdge()}, want: state},
		"without spans, trusted": {telemetry: []hop.Option{none}, want: state},
	} {
		t.Run(name, func(t *testing.T) {
			rec := mwtest.New(t, c.telemetry...)
			var got http.Header
			up := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
			defer up.Close()
			target, err := url.Parse(up.URL)
			if err != nil {
				t.Fatal(err)
			}
			proxy := httputil.NewSingleHostReverseProxy(target)
			proxy.Transport = httpmw.Transport(nil, append(c.transport, httpmw.WithTelemetry(rec.Telemetry))...)
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Traceparent", parent)
			r.Header.Set("Tracestate", state)
			httpmw.Handler(proxy, append(c.handler, httpmw.WithTelemetry(rec.Telemetry))...).ServeHTTP(httptest.NewRecorder(), r)
			if have := got.Get("Tracestate"); have != c.want {
				t.Errorf("tracestate %q goes with traceparent %q, want %q", have, got.Get("Traceparent"), c.want)
			}
		})
	}
}
