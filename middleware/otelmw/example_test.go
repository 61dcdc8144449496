package otelmw_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/otelmw"
)

// A service keeps otelhttp and gets self time and waits.
func ExampleNewSpanProcessor() {
	tel, err := hop.New(hop.WithServiceName("shop"), hop.WithRegistry(prometheus.NewRegistry()),
		hop.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	if err != nil {
		panic(err)
	}
	tp := sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(otelmw.NewSpanProcessor(otelmw.WithTelemetry(tel))),
	)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /carts/{id}", func(http.ResponseWriter, *http.Request) {})
	handler := otelhttp.NewHandler(mux, "shop", otelhttp.WithTracerProvider(tp))

	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/carts/7", nil))
	scrape := httptest.NewRecorder()
	tel.MetricsHandler().ServeHTTP(scrape, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	fmt.Println(lineWith(scrape.Body.String(), "hop_self_duration_seconds_count"))
	// Output: hop_self_duration_seconds_count{entry="GET /carts/{id}",flow="request",operation="GET /carts/{id}",protocol="http",service_name="shop"} 1
}
