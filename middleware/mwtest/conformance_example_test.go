package mwtest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// The test of an adapter's server side: here httpmw's, as an author of another adapter
// would write it for an adapter of their own.
func ExampleTestServer() {
	_ = func(t *testing.T) { // func TestConformance(t *testing.T)
		mwtest.TestServer(t, mwtest.Server{
			Operation: "POST /orders", Kind: trace.SpanKindServer, Family: "http_server_request_duration_seconds",
			Deliver: func(_ *testing.T, d mwtest.Delivery) map[string]string {
				mux := http.NewServeMux()
				mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
					if err := d.Handle(r.Context()); err != nil {
						http.Error(w, "failed", http.StatusInternalServerError)
					}
				})
				r, w := httptest.NewRequest(http.MethodPost, "/orders", nil), httptest.NewRecorder()
				for name, value := range d.Headers {
					r.Header.Set(name, value)
				}
				httpmw.Handler(mux, httpmw.WithTelemetry(d.Telemetry)).ServeHTTP(w, r)
				return map[string]string{"x-correlation-id": w.Header().Get("X-Correlation-Id")}
			},
		})
	}
}

// The test of an adapter's client side. The other side is a test server.
func ExampleTestClient() {
	_ = func(t *testing.T) { // func TestConformance(t *testing.T)
		mwtest.TestClient(t, mwtest.Client{
			Kind: trace.SpanKindClient, Family: "http_client_request_duration_seconds", Headers: true,
			Dependency: hop.Dependency{Name: "stock", Kind: hop.KindHTTP},
			Call: func(t *testing.T, ctx context.Context, c mwtest.Outbound) {
				remote := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					headers := map[string]string{}
					for _, name := range []string{"traceparent", "baggage", "x-correlation-id"} {
						headers[name] = r.Header.Get(name)
					}
					if err := c.Remote(headers); err != nil {
						w.WriteHeader(http.StatusInternalServerError)
					}
				}))
				defer remote.Close()
				client := &http.Client{Transport: httpmw.Transport(nil, httpmw.WithTelemetry(c.Telemetry), httpmw.WithDependency("stock"))}
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, remote.URL, nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
			},
		})
	}
}
