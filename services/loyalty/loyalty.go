// Package loyalty stores customers' points. It is a legacy service: it is
// instrumented with jaeger-client-go and opentracing, propagates uber-trace-id,
// sends its spans as Thrift over HTTP and serves plain promhttp metrics. It uses
// only the middleware's fault handler. Its spans belong to its callers' traces,
// because its caller sends uber-trace-id.
package loyalty

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/opentracing/opentracing-go"
	"github.com/opentracing/opentracing-go/ext"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
	jaeger "github.com/uber/jaeger-client-go"
	"github.com/uber/jaeger-client-go/transport"

	"github.com/tenhop/tenhop/services/contracts"
	"github.com/tenhop/tenhop/services/problem"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/resilience"
)

//go:embed migrations/*.sql
var migrations embed.FS

const operation = "GET /points/{user}"

// Definition declares the service.
func Definition() runtime.Definition {
	return runtime.Definition{Name: "loyalty", Operations: []string{operation}, Legacy: true, Build: build}
}

func build(ctx context.Context, e *runtime.Env) (runtime.Service, error) {
	store, err := e.OpenStore(ctx, migrations)
	if err != nil {
		return runtime.Service{}, err
	}
	log := zerolog.New(e.LogWriter).With().Timestamp().Str("service", e.Name).Logger()
	reporter := jaeger.NewNullReporter()
	if e.JaegerURL != "" {
		// With one span per batch a span is sent at once; the transport has no timer.
		reporter = jaeger.NewRemoteReporter(transport.NewHTTPTransport(e.JaegerURL, transport.HTTPBatchSize(10)))
	}
	tracer, closer := jaeger.NewTracer(e.Name, jaeger.NewConstSampler(true), reporter,
		jaeger.TracerOptions.Gen128Bit(true), jaeger.TracerOptions.PoolSpans(false))
	e.OnClose(closer.Close)

	reg := prometheus.NewRegistry()
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "http_request_duration_seconds", Help: "Duration of requests.", Buckets: prometheus.DefBuckets,
	}, []string{"method", "code"})
	inFlight := prometheus.NewGauge(prometheus.GaugeOpts{Name: "http_requests_in_flight", Help: "Requests in flight."})
	for _, c := range []prometheus.Collector{duration, inFlight, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := reg.Register(c); err != nil {
			return runtime.Service{}, err
		}
	}
	e.Metrics = promhttp.HandlerFor(reg, promhttp.HandlerOpts{})

	s := &server{store: store, tracer: tracer, log: log}
	mux := http.NewServeMux()
	mux.HandleFunc(operation, s.points)
	answered := resilience.Handler(e.Chaos.Handler(mux))
	if e.Instruments == runtime.InstrumentsNone {
		return runtime.Service{HTTP: answered}, nil
	}
	handler := promhttp.InstrumentHandlerInFlight(inFlight, promhttp.InstrumentHandlerDuration(duration, s.traced(answered)))
	return runtime.Service{HTTP: handler}, nil
}

type server struct {
	store  *runtime.Store
	tracer opentracing.Tracer
	log    zerolog.Logger
}

// traced continues the caller's trace, with the code that jaeger-client-go requires of
// its users.
func (s *server) traced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parent, err := s.tracer.Extract(opentracing.HTTPHeaders, opentracing.HTTPHeadersCarrier(r.Header))
		if err != nil {
			parent = nil
		}
		correlation := r.Header.Get("X-Correlation-ID")
		span := s.tracer.StartSpan(operation, ext.RPCServerOption(parent),
			opentracing.Tag{Key: "http.method", Value: r.Method}, opentracing.Tag{Key: "correlation_id", Value: correlation})
		defer span.Finish()
		rec := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(rec, r.WithContext(opentracing.ContextWithSpan(r.Context(), span)))
		ext.HTTPStatusCode.Set(span, uint16(rec.status))
		if rec.status >= http.StatusInternalServerError {
			ext.Error.Set(span, true)
		}
		line := s.log.Info().Str("correlation_id", correlation).Str("operation", operation).Int("status", rec.status)
		if sc, ok := span.Context().(jaeger.SpanContext); ok {
			line = line.Str("trace_id", traceID(sc.TraceID())).Str("span_id", fmt.Sprintf("%016x", uint64(sc.SpanID())))
		}
		line.Msg("request")
	})
}

func traceID(id jaeger.TraceID) string { return fmt.Sprintf("%016x%016x", id.High, id.Low) }

func (s *server) points(w http.ResponseWriter, r *http.Request) {
	user := r.PathValue("user")
	account := contracts.LoyaltyAccount{UserID: user}
	err := s.store.QueryRow(r.Context(), "SELECT points FROM points WHERE user_id = ?", user).Scan(&account.Points)
	if errors.Is(err, sql.ErrNoRows) {
		account.Points = welcome(user)
		_, err = s.store.Exec(r.Context(), "INSERT INTO points (user_id, points) VALUES (?, ?) ON CONFLICT DO NOTHING", user, account.Points)
	}
	if err != nil {
		problem.Answer(w, &s.log, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(account) // pricing is gone when it fails
}

// welcome returns the points that a customer starts with. It depends on the user alone.
func welcome(user string) int64 {
	var n int64
	for _, c := range []byte(user) {
		n = n*31 + int64(c)
	}
	return (n&0xffff)%400 + 1
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(code int) {
	w.status = code
	w.ResponseWriter.WriteHeader(code)
}
