package stack

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/stack/tracestore"
)

// measuredStore records the query API's calls of the trace store in Jaeger's
// own metrics (tracestoremetrics in Jaeger v1.76.0).
type measuredStore struct {
	*tracestore.Store
	requests  *prometheus.CounterVec
	responses *prometheus.CounterVec
	latency   *prometheus.HistogramVec
}

func newMeasuredStore(store *tracestore.Store, reg prometheus.Registerer) *measuredStore {
	m := &measuredStore{
		Store: store,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "jaeger_storage_requests_total", Help: "Calls of the trace store by the query API.",
		}, []string{"operation", "result"}),
		responses: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "jaeger_storage_responses_total", Help: "Traces and dependencies that the trace store returned.",
		}, []string{"operation"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "jaeger_storage_latency_seconds", Help: "Duration of calls of the trace store.",
			Buckets: []float64{.001, .005, .01, .05, .1, .5, 1, 5},
		}, []string{"operation", "result"}),
	}
	reg.MustRegister(m.requests, m.responses, m.latency)
	return m
}

func (m *measuredStore) record(operation string, start time.Time, responses int, err error) {
	result := "ok"
	if err != nil && !errors.Is(err, tracestore.ErrNotFound) {
		result = "err"
	}
	m.requests.WithLabelValues(operation, result).Inc()
	m.responses.WithLabelValues(operation).Add(float64(responses))
	m.latency.WithLabelValues(operation, result).Observe(time.Since(start).Seconds())
}

// Trace implements jaegerquery.Source.
func (m *measuredStore) Trace(ctx context.Context, id pcommon.TraceID) (ptrace.Traces, error) {
	start := time.Now()
	td, err := m.Store.Trace(ctx, id)
	found := 0
	if err == nil {
		found = 1
	}
	m.record("get_trace", start, found, err)
	return td, err
}

// Find implements jaegerquery.Source.
func (m *measuredStore) Find(ctx context.Context, q tracestore.Query) ([]ptrace.Traces, error) {
	start := time.Now()
	found, err := m.Store.Find(ctx, q)
	m.record("find_traces", start, len(found), err)
	return found, err
}

// Dependencies implements jaegerquery.Source.
func (m *measuredStore) Dependencies(ctx context.Context, from, to time.Time) ([]tracestore.Dependency, error) {
	start := time.Now()
	found, err := m.Store.Dependencies(ctx, from, to)
	m.record("get_dependencies", start, len(found), err)
	return found, err
}
