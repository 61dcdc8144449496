package hop_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
)

// Self time is what is left of a hop when no call of it is in flight: two calls
// side by side count once.
func Example() {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	after := func(d time.Duration) { now = now.Add(d) }
	t, err := hop.New(hop.WithServiceName("checkout"), hop.WithRegistry(prometheus.NewRegistry()),
		hop.WithZerolog(zerolog.Nop()), hop.WithClock(func() time.Time { return now }))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, h := t.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "POST /checkout"}) // as an adapter does
	after(10 * time.Millisecond)
	payment := hop.StartCall(ctx, hop.Dependency{Name: "payment", Kind: hop.KindHTTP})
	after(20 * time.Millisecond)
	stock := hop.StartCall(ctx, hop.Dependency{Name: "inventory", Kind: hop.KindGRPC})
	after(30 * time.Millisecond)
	payment.End()
	after(5 * time.Millisecond)
	stock.End()
	after(1 * time.Millisecond)
	took := h.End(adapter.Outcome{})
	fmt.Println(took.Duration, "of which self", took.Self)
	// Output: 66ms of which self 11ms
}

// One value for a service, and what a handler can ask of its request.
func ExampleNew() {
	t, err := hop.New(hop.WithServiceName("shop"), hop.WithRegistry(prometheus.NewRegistry()), hop.WithZerolog(zerolog.Nop()))
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(_ http.ResponseWriter, r *http.Request) {
		hop.SetAttributes(r.Context(), attribute.String("customer.tier", "gold")) // what diagnose compares
		hop.Logger(r.Context()).Info("looked up")
		fmt.Println(hop.Operation(r.Context()), hop.CorrelationID(r.Context()))
	})
	r := httptest.NewRequest(http.MethodGet, "/items/7", nil)
	r.Header.Set("X-Correlation-Id", "ticket-4711")
	httpmw.Handler(mux, httpmw.WithTelemetry(t)).ServeHTTP(httptest.NewRecorder(), r)
	// Output: GET /items/{id} ticket-4711
}

// Without hop.New everything reports to Default: the global tracer provider,
// Prometheus' default registry, and lines to standard error.
func ExampleDefault() {
	http.Handle("GET /metrics", hop.Default().MetricsHandler())
}

// A row of an outbox keeps what its message will need, so that the message
// belongs to the request that wrote the row, whenever it is sent.
func ExampleSnapshot() {
	t, err := hop.New(hop.WithServiceName("order"), hop.WithRegistry(prometheus.NewRegistry()), hop.WithZerolog(zerolog.Nop()))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, h := t.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "POST /orders"})
	row := hop.Snapshot(ctx)
	h.End(adapter.Outcome{})

	later := hop.Restore(context.Background(), row)
	fmt.Println(hop.EntryOf(later), hop.CorrelationID(later) == row["x-correlation-id"])
	// Output: POST /orders true
}

func ExampleRestore() {
	later := hop.Restore(context.Background(), map[string]string{"x-correlation-id": "ticket-4711"})
	fmt.Println(hop.CorrelationID(later))
	// Output: ticket-4711
}

// What no adapter measures, such as a lock of another machine, is marked by hand.
func ExampleStartCall() {
	handle := func(w http.ResponseWriter, r *http.Request) {
		wait := hop.StartCall(r.Context(), hop.Dependency{Name: "ledger-lock", Kind: hop.KindCache})
		acquire(r.Context())
		wait.End()
		w.WriteHeader(http.StatusNoContent)
	}
	httpmw.Handler(http.HandlerFunc(handle))
}

func acquire(context.Context) {}

func ExampleSetAttributes() {
	handle := func(_ http.ResponseWriter, r *http.Request) {
		hop.SetAttributes(r.Context(), attribute.String("payment.method", "card"))
	}
	httpmw.Handler(http.HandlerFunc(handle))
}

func ExampleLogger() {
	handle := func(_ http.ResponseWriter, r *http.Request) {
		hop.Logger(r.Context()).Info("charged", "cents", 990) // with trace_id, span_id, correlation_id
	}
	httpmw.Handler(http.HandlerFunc(handle))
}

func ExampleZerolog() {
	handle := func(_ http.ResponseWriter, r *http.Request) {
		hop.Zerolog(r.Context()).Info().Int("cents", 990).Msg("charged") // the same line
	}
	httpmw.Handler(http.HandlerFunc(handle))
}

// A service that has a slog logger keeps it.
func ExampleWithLogger() {
	logger := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	_, err := hop.New(hop.WithServiceName("shop"), hop.WithRegistry(prometheus.NewRegistry()), hop.WithLogger(logger))
	fmt.Println(err)
	// Output: <nil>
}

// The IDs of the request are on each line that has its context. The IDs of the
// trace are left out here, since they differ from run to run.
func ExampleNewLogHandler() {
	t, err := hop.New(hop.WithServiceName("payment"), hop.WithRegistry(prometheus.NewRegistry()), hop.WithZerolog(zerolog.Nop()))
	if err != nil {
		fmt.Println(err)
		return
	}
	logger := slog.New(hop.NewLogHandler(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "trace_id" || a.Key == "span_id" {
			return slog.Attr{}
		}
		return a
	}})))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /charge", func(_ http.ResponseWriter, r *http.Request) {
		logger.InfoContext(r.Context(), "charged", "cents", 990)
		logger.Info("without the request's context")
	})
	r := httptest.NewRequest(http.MethodPost, "/charge", nil)
	r.Header.Set("X-Correlation-Id", "ticket-4711")
	httpmw.Handler(mux, httpmw.WithTelemetry(t)).ServeHTTP(httptest.NewRecorder(), r)
	// Output:
	// level=INFO msg=charged cents=990 correlation_id=ticket-4711
	// level=INFO msg="without the request's context"
}

func ExampleOperation() {
	handle := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, hop.Operation(r.Context())) // such as "GET /items/{id}"
	}
	httpmw.Handler(http.HandlerFunc(handle))
}

func ExampleNewCorrelationID() {
	id := hop.NewCorrelationID(time.Now())
	fmt.Println(len(id), hop.ValidCorrelationID(id), hop.ValidCorrelationID("two\nlines"))
	// Output: 36 true false
}

func ExampleWithLogSampling() {
	_, err := hop.New(hop.WithServiceName("catalog"), hop.WithRegistry(prometheus.NewRegistry()), hop.WithZerolog(zerolog.New(os.Stdout)),
		hop.WithLogSampling(hop.LogSampling{Rate: 0.1, Slow: 300 * time.Millisecond}))
	fmt.Println(err)
	// Output: <nil>
}

// A service that keeps otelhttp within a measured handler, without package setup.
func ExampleNestedPropagator() {
	otel.SetTextMapPropagator(hop.NestedPropagator(propagation.NewCompositeTextMapPropagator(
		propagation.TraceContext{}, propagation.Baggage{})))
}
