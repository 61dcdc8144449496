package define

import (
	"github.com/tenhop/tenhop/dashboards/grafana"
	"github.com/tenhop/tenhop/signals"
)

func runtime() grafana.Dashboard {
	const proc = `env=~"$env",service_name=~"$service"`
	return dashboard("runtime", "tenhop · 5 Runtime",
		"CPU, memory, garbage collection and pools: the usual reasons for self time.",
		lines("CPU", "Near the limit, or near GOMAXPROCS: self time is CPU time or throttling. Take a profile.", noUnit, 12,
			q("{{service_name}}", `sum by (service_name) (rate(process_cpu_seconds_total{`+proc+`}[$__rate_interval]))`)),
		lines("Resident memory", "A steady climb is a leak: take a heap profile before the process reaches its limit.", bytes, 12,
			q("{{service_name}}", `sum by (service_name) (process_resident_memory_bytes{`+proc+`})`)),
		lines("Goroutines", "A climb with a flat rate is a leak or a queue: take a goroutine profile.", count, 12,
			q("{{service_name}}", `sum by (service_name) (go_goroutines{`+proc+`})`)),
		lines("Heap in use", "Saw teeth are normal; a rising floor is retained memory.", bytes, 12,
			q("{{service_name}}", `sum by (service_name) (go_memstats_heap_inuse_bytes{`+proc+`})`)),
		lines("GC pauses per second", "Above 1 %: allocation rate is the reason for self time.", ratio, 12,
			q("{{service_name}}", `sum by (service_name) (rate(go_gc_duration_seconds_sum{`+proc+`}[$__rate_interval]))`)),
		lines("Open files", "Towards the limit: connections or bodies are not closed.", count, 12,
			q("{{service_name}}", `sum by (service_name) (process_open_fds{`+proc+`})`)),
		lines("Database, p95 by operation", "Slow here and flat in the pool: the query or the database.", seconds, 12,
			withExemplars(q("{{service_name}} {{db_operation_name}}", quantile(0.95, ", service_name, db_operation_name", signals.DatabaseClient, proc)))),
		lines("Wait for the database and its pool", "Pool wait above zero: connections are held too long or too few. Compare with the database's own time.", seconds, 12,
			q("{{service_name}} {{dependency_kind}}", `sum by (service_name, dependency_kind) (rate(hop_wait_duration_seconds_sum{dependency_kind=~"pool|database|cache",`+proc+`}[$__rate_interval])) / (sum by (service_name, dependency_kind) (rate(hop_wait_duration_seconds_count{dependency_kind=~"pool|database|cache",`+proc+`}[$__rate_interval])) > 0)`)),
	)
}
