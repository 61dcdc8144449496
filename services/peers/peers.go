// Package peers instruments a service with the libraries that a Go team composes today
// for the same signals: OpenTelemetry's SDK with otelhttp, otelgrpc, otelsql, redisotel
// and kotel; promhttp, grpcprom and kprom; zerolog's hlog and go-grpc-middleware's
// logging; and a middleware for correlation IDs. Only the comparison of `make knee` uses
// it. Importing it registers nothing.
package peers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Peers is the composed telemetry of a service.
type Peers struct {
	service    string
	provider   *sdktrace.TracerProvider
	propagator propagation.TextMapPropagator
	registry   *prometheus.Registry
	log        zerolog.Logger

	calls   callMetrics
	records callMetrics
}

// Start starts the composed telemetry of a service, as OTEL_EXPORTER_OTLP_ENDPOINT,
// OTEL_TRACES_SAMPLER and OTEL_BSP_* of the environment say. Log lines are written to
// logs.
func Start(ctx context.Context, service, instance string, logs io.Writer) (*Peers, error) {
	exporter, err := otlptracegrpc.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("peers: %w", err)
	}
	res := resource.NewSchemaless(attribute.String("service.name", service), attribute.String("service.instance.id", instance))
	p := &Peers{
		service:    service,
		provider:   sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(res)),
		propagator: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
		registry:   prometheus.NewRegistry(),
		log:        zerolog.New(logs).With().Timestamp().Str("service", service).Logger(),
	}
	p.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	p.calls = newCallMetrics(p.registry, "http_client", "callee", "code", "method")
	p.records = newCallMetrics(p.registry, "kafka_records", "topic", "outcome")
	return p, nil
}

// Shutdown exports the queued spans.
func (p *Peers) Shutdown(ctx context.Context) error { return p.provider.Shutdown(ctx) }

// MetricsHandler returns the handler of /metrics.
func (p *Peers) MetricsHandler() http.Handler {
	return promhttp.HandlerFor(p.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// callMetrics are a duration with exemplars and a count.
type callMetrics struct {
	duration *prometheus.HistogramVec
	total    *prometheus.CounterVec
}

func newCallMetrics(r prometheus.Registerer, name string, labels ...string) callMetrics {
	m := callMetrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name + "_duration_seconds", Help: "Duration.",
			Buckets: prometheus.DefBuckets, NativeHistogramBucketFactor: 1.1}, labels),
		total: prometheus.NewCounterVec(prometheus.CounterOpts{Name: name + "_total", Help: "Number."}, labels),
	}
	r.MustRegister(m.duration, m.total)
	return m
}

func (m callMetrics) observe(ctx context.Context, took time.Duration, values ...string) {
	m.total.WithLabelValues(values...).Inc()
	o := m.duration.WithLabelValues(values...)
	if e, ok := o.(prometheus.ExemplarObserver); ok {
		if labels := exemplar(ctx); labels != nil {
			e.ObserveWithExemplar(took.Seconds(), labels)
			return
		}
	}
	o.Observe(took.Seconds())
}

func exemplar(ctx context.Context) prometheus.Labels {
	if sc := trace.SpanContextFromContext(ctx); sc.IsSampled() {
		return prometheus.Labels{"trace_id": sc.TraceID().String()}
	}
	return nil
}

const correlationHeader = "x-correlation-id"

type correlationKey struct{}

// correlation returns the correlation ID of a context.
func correlation(ctx context.Context) string {
	id, _ := ctx.Value(correlationKey{}).(string)
	return id
}

// correlated returns a context with an ID, a new one if it is empty, and adds it to the span.
func correlated(ctx context.Context, id string) (context.Context, string) {
	if id == "" {
		id = uuid.NewString()
	}
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(attribute.String("correlation_id", id))
	}
	return context.WithValue(ctx, correlationKey{}, id), id
}

// traced adds the IDs of a context to a log line.
func traced(ctx context.Context, e *zerolog.Event) *zerolog.Event {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		e = e.Str("trace_id", sc.TraceID().String()).Str("span_id", sc.SpanID().String())
	}
	return e.Str("correlation_id", correlation(ctx))
}
