package stack

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/stack/logstore"
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

// traceCollector exports the statistics of the trace store as metrics.
type traceCollector struct {
	store    *tracestore.Store
	spans    *prometheus.Desc
	memory   *prometheus.Desc
	disk     *prometheus.Desc
	segments *prometheus.Desc
	dropped  *prometheus.Desc
	torn     *prometheus.Desc
}

func newTraceCollector(store *tracestore.Store) *traceCollector {
	desc := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }
	return &traceCollector{
		store:    store,
		spans:    desc("tenhop_trace_store_spans", "Spans in the index."),
		memory:   desc("tenhop_trace_store_index_bytes", "Estimated memory of the index."),
		disk:     desc("tenhop_trace_store_disk_bytes", "Size of the segment files."),
		segments: desc("tenhop_trace_store_segments", "Segment files."),
		dropped:  desc("tenhop_trace_store_dropped_segments_total", "Segments removed by age or size since the process started."),
		torn:     desc("tenhop_trace_store_torn_bytes_total", "Bytes truncated from damaged segments when the store was opened."),
	}
}

// Describe implements prometheus.Collector.
func (c *traceCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.spans, c.memory, c.disk, c.segments, c.dropped, c.torn} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *traceCollector) Collect(ch chan<- prometheus.Metric) {
	st := c.store.Stats()
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	gauge(c.spans, float64(st.Spans))
	gauge(c.memory, float64(st.MemoryBytes))
	gauge(c.disk, float64(st.DiskBytes))
	gauge(c.segments, float64(st.Segments))
	ch <- prometheus.MustNewConstMetric(c.dropped, prometheus.CounterValue, float64(st.DroppedSegments))
	ch <- prometheus.MustNewConstMetric(c.torn, prometheus.CounterValue, float64(st.TornBytes))
}

// logCollector exports the statistics of the log store as metrics.
type logCollector struct {
	store   *logstore.Store
	disk    *prometheus.Desc
	index   *prometheus.Desc
	removed *prometheus.Desc
}

func newLogCollector(store *logstore.Store) *logCollector {
	desc := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }
	return &logCollector{
		store:   store,
		disk:    desc("tenhop_log_store_disk_bytes", "Size of the files of received log records."),
		index:   desc("tenhop_log_store_index_bytes", "Memory of the index."),
		removed: desc("tenhop_log_store_removed_bytes_total", "Bytes of received log records removed by age or size since the process started."),
	}
}

// Describe implements prometheus.Collector.
func (c *logCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.disk
	ch <- c.index
	ch <- c.removed
}

// Collect implements prometheus.Collector.
func (c *logCollector) Collect(ch chan<- prometheus.Metric) {
	st := c.store.Stats()
	ch <- prometheus.MustNewConstMetric(c.disk, prometheus.GaugeValue, float64(st.DiskBytes))
	ch <- prometheus.MustNewConstMetric(c.index, prometheus.GaugeValue, float64(st.IndexBytes))
	ch <- prometheus.MustNewConstMetric(c.removed, prometheus.CounterValue, float64(st.RemovedBytes))
}
