package spanmetrics

import "github.com/prometheus/client_golang/prometheus"

// health holds the metrics of a Processor itself.
type health struct {
	spans, late, incomplete, headless, evicted, limited prometheus.Counter
	held, quiet                                         prometheus.Gauge
}

func newHealth() *health {
	c := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "tenhop_spanmetrics_" + name, Help: help})
	}
	return &health{
		spans: c("spans_total", "Spans from which metrics are computed."),
		late: c("late_spans_total",
			"Spans that arrived after the metrics of their trace were computed. They count as calls and requests, but have no self time."),
		incomplete: c("incomplete_traces_total", "Traces in which a span lacked its parent when their metrics were computed."),
		headless: c("hops_without_entry_total",
			"Hops without self time, because the top of their trace was missing."),
		evicted: c("evicted_traces_total", "Traces whose metrics were computed early, because the maximum number of spans was held."),
		limited: c("series_limited_total", "Observations that were added to an overflow series (_OTHER) when their own would have exceeded the limit."),
		held: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tenhop_spanmetrics_held_spans",
			Help: "Spans of traces that are not complete yet."}),
		quiet: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tenhop_spanmetrics_wait_seconds",
			Help: "Time without a span after which a trace is taken for complete: that of the slowest exporter."}),
	}
}

func (h *health) all() []prometheus.Collector {
	return []prometheus.Collector{h.spans, h.late, h.incomplete, h.headless, h.evicted, h.limited, h.held, h.quiet}
}

// Describe implements prometheus.Collector.
func (h *health) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range h.all() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (h *health) Collect(ch chan<- prometheus.Metric) {
	for _, c := range h.all() {
		c.Collect(ch)
	}
}
