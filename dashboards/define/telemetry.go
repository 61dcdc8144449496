package define

import "github.com/tenhop/tenhop/dashboards/grafana"

// either reads a collector counter with or without the _total of newer versions.
func either(name, by string) string {
	return `sum by (` + by + `) (rate({__name__=~"` + name + `(_total)?"}[$__rate_interval]))`
}

func telemetry() grafana.Dashboard {
	const svc = `env=~"$env",service_name=~"$service"`
	return dashboard("telemetry", "tenhop · 7 Telemetry health",
		"Whether the other dashboards are complete.",
		stat("Targets down", "Any: dashboards and alerts have no data of them. See Scrapes.", count, 6, above(1, 2), q("down", `count(up) - sum(up)`)),
		stat("Spans dropped in 5 min", "Any: traces are incomplete, metrics are not. Look at the collector's queue.", count, 6, above(1, 1000),
			q("dropped", `sum(increase(tenhop_spans_dropped_total{`+svc+`}[5m]))`)),
		stat("Spans failed in the collector in 5 min", "Any: the backend of that exporter refuses them.", count, 6, above(1, 1000),
			q("failed", `sum(increase({__name__=~"otelcol_exporter_send_failed_spans(_total)?"}[5m])) or 0 * sum(increase({__name__=~"otelcol_exporter_sent_spans(_total)?"}[5m]))`)),
		stat("Series", "A steady climb means unbounded cardinality: find the family with topk(10, count by (__name__) ({__name__=~\".+\"})).", count, 6, above(200000, 1000000),
			q("series", `prometheus_tsdb_head_series`)),
		lines("SDK queue", "Filling up: the collector is slow or down. Once it is full, spans are dropped and counted.", count, 12,
			q("{{service_name}}", `sum by (service_name) (tenhop_spans_queued{`+svc+`})`)),
		lines("SDK drops", "Not zero: raise OTEL_BSP_MAX_QUEUE_SIZE, or repair the collector.", perSec, 12,
			q("{{service_name}} dropped", `sum by (service_name) (rate(tenhop_spans_dropped_total{`+svc+`}[$__rate_interval]))`),
			q("{{service_name}} exports failed", `sum by (service_name) (rate(tenhop_span_exports_failed_total{`+svc+`}[$__rate_interval]))`)),
		lines("Collector: spans in", "Refused spans mean back pressure: memory limiter or a store that is full.", perSec, 12,
			q("{{receiver}}/{{transport}} accepted", either("otelcol_receiver_accepted_spans", "receiver, transport")),
			q("{{receiver}}/{{transport}} refused", either("otelcol_receiver_refused_spans", "receiver, transport"))),
		lines("Collector: spans out", "Failed spans: the backend named by the exporter. Sent far below accepted: tail sampling, or a queue that grows.", perSec, 12,
			q("{{exporter}} sent", either("otelcol_exporter_sent_spans", "exporter")),
			q("{{exporter}} failed", either("otelcol_exporter_send_failed_spans", "exporter"))),
		lines("Scrapes: duration", "Near the scrape interval: export fewer series or scrape less often.", seconds, 12,
			q("{{job}}", `max by (job) (scrape_duration_seconds)`)),
		lines("Scrapes: samples", "A jump means new series: look for an unbounded operation or entry.", count, 12,
			q("{{job}}", `sum by (job) (scrape_samples_scraped)`)),
		table("Scrapes", "0 is down: check that the process runs and that its admin port answers /metrics.", 24, []string{"__name__"}, nil,
			column{"up", noUnit, `up`}),
	)
}
