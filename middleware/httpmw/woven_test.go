package httpmw

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
)

// A program may have families with the names of the semantic conventions. When it is built
// by Orchestrion, it runs as before.
func TestWovenIntoAProgramWithMetricsOfItsOwn(t *testing.T) {
	core := hop.Default().Core() // the registry takes its metrics
	for _, name := range []string{"http_server_request_duration_seconds", "http_client_request_duration_seconds"} {
		own := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name})
		if err := prometheus.Register(own); err != nil {
			t.Fatal(err)
		}
		defer prometheus.Unregister(own)
	}
	if h := orchestrionHandler(http.NotFoundHandler()); h != nil {
		t.Errorf("a handler %T", h)
	}
	ctx, h := core.Begin(t.Context(), adapter.Incoming{Protocol: "test", Operation: "op"})
	defer h.End(adapter.Outcome{Quiet: true})
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://stock/", nil)
	if rt, _ := orchestrionTransport(http.DefaultTransport.(*http.Transport), r); rt != nil {
		t.Errorf("a transport %T", rt)
	}
}
