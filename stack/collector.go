package stack

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenhop/tenhop/stack/tracestore"
)

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
