package define

import "github.com/tenhop/tenhop/dashboards/grafana"

// either reads a collector counter with or without the _total of newer versions.
func either(name, by string) string {
	return `sum by (` + by + `) (rate({__name__=~"` + name + `(_total)?"}[$__rate_interval]))`
}

func telemetry() grafana.Dashboard {
	const svc = `env=~"$env",service_name=~"$service"`
	return dashboard("telemetry", "tenhop · 7 Telemetry health",
		"Whether the other dashboards can be believed.",
		stat("Targets down", "Any: their part of every answer is missing. See Scrapes.", count, 6, above(1, 2), q("down", `count(up == 0) or vector(0)`)),
		stat("Spans dropped in 5 min", "Any: traces have holes, metrics do not. Look at the collector's queue.", count, 6, above(1, 1000),
			q("dropped", `sum(increase(tenhop_spans_dropped_total{`+svc+`}[5m])) or vector(0)`)),
		stat("Spans failed in the collector in 5 min", "Any: the backend of that exporter does not take them.", count, 6, above(1, 1000),
			q("failed", `sum(increase({__name__=~"otelcol_exporter_send_failed_spans(_total)?"}[5m])) or vector(0)`)),
		stat("Series", "A steady climb is unbounded cardinality: find the family with topk(10, count by (__name__) ({__name__=~\".+\"})).", count, 6, above(200000, 1000000),
			q("series", `prometheus_tsdb_head_series or vector(0)`)),
		lines("SDK queue", "Filling up: the collector is slow or away. Spans are dropped and counted once it is full.", count, 12,
			q("{{service_name}}", `sum by (service_name) (tenhop_spans_queued{`+svc+`})`)),
		lines("SDK drops", "Not zero: raise OTEL_BSP_MAX_QUEUE_SIZE or make the collector answer.", perSec, 12,
			q("{{service_name}} dropped", `sum by (service_name) (rate(tenhop_spans_dropped_total{`+svc+`}[$__rate_interval]))`),
			q("{{service_name}} exports failed", `sum by (service_name) (rate(tenhop_span_exports_failed_total{`+svc+`}[$__rate_interval]))`)),
		lines("Collector: spans in", "Refused spans mean back pressure: memory limiter or a store that is full.", perSec, 12,
			q("{{receiver}}/{{transport}} accepted", either("otelcol_receiver_accepted_spans", "receiver, transport")),
			q("{{receiver}}/{{transport}} refused", either("otelcol_receiver_refused_spans", "receiver, transport"))),
		lines("Collector: spans out", "Failed spans: the backend named by the exporter. Sent far below accepted: tail sampling, or a queue that grows.", perSec, 12,
			q("{{exporter}} sent", either("otelcol_exporter_sent_spans", "exporter")),
			q("{{exporter}} failed", either("otelcol_exporter_send_failed_spans", "exporter"))),
		lines("Scrapes: duration", "Towards the interval: fewer series or a slower interval.", seconds, 12,
			q("{{job}}", `max by (job) (scrape_duration_seconds)`)),
		lines("Scrapes: samples", "A step up is new series: look for an operation or entry that is unbounded.", count, 12,
			q("{{job}}", `sum by (job) (scrape_samples_scraped)`)),
		table("Scrapes", "0 is down: see whether the process lives and its admin port answers /metrics.", 24, []string{"__name__"}, nil,
			column{"up", noUnit, `up`}),
	)
}
