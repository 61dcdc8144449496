package httpmw_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

func lowerCase(h http.Header) map[string]string {
	m := map[string]string{}
	for k := range h {
		m[strings.ToLower(k)] = h.Get(k)
	}
	return m
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestConformance(t *testing.T) {
	mwtest.TestServer(t, mwtest.Server{
		Operation: "POST /orders/{id}", Kind: trace.SpanKindServer, Family: "http_server_request_duration_seconds", Skips: true, Public: true,
		Deliver: func(_ *testing.T, d mwtest.Delivery) map[string]string {
			mux := http.NewServeMux()
			mux.HandleFunc("POST /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
				if d.Handle(r.Context()) != nil {
					w.WriteHeader(http.StatusInternalServerError)
				}
			})
			opts := []httpmw.Option{httpmw.WithTelemetry(d.Telemetry), httpmw.WithExcludeSignals(d.Skip, "/orders/7")}
			if d.Public {
				opts = append(opts, httpmw.WithPublicEdge())
			}
			r, w := httptest.NewRequest(http.MethodPost, "/orders/7", nil), httptest.NewRecorder()
			r.RemoteAddr = "10.0.0.7:49152" // a caller within the fleet
			for k, v := range d.Headers {
				r.Header.Set(k, v)
			}
			for k, v := range d.Again {
				r.Header.Add(k, v)
			}
			httpmw.Handler(mux, opts...).ServeHTTP(w, r)
			return lowerCase(w.Header())
		},
	})
	mwtest.TestClient(t, mwtest.Client{
		Kind: trace.SpanKindClient, Family: "http_client_request_duration_seconds", Headers: true,
		Dependency: hop.Dependency{Name: "stock", Kind: hop.KindHTTP},
		Call: func(t *testing.T, ctx context.Context, c mwtest.Outbound) {
			base := roundTripper(func(r *http.Request) (*http.Response, error) {
				if err := c.Remote(lowerCase(r.Header)); err != nil {
					return nil, err
				}
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
			})
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://stock.internal/items", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := httpmw.Transport(base, httpmw.WithTelemetry(c.Telemetry), httpmw.WithDependency("stock")).RoundTrip(req)
			if err == nil {
				_ = resp.Body.Close()
			}
		},
	})
}
