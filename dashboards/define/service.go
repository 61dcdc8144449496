package define

import "github.com/tenhop/tenhop/dashboards/grafana"

const recorded = `service_name=~"$service",operation=~"$operation"`

func service() grafana.Dashboard {
	logs := panel("logs", "Log lines",
		"One line per handled message. Expand a line and follow its trace_id to the trace; errors and slow requests are never sampled away.",
		"", 24, 10, []grafana.Target{{Expr: `{service_name=~".+",service_name=~"$service"} | json`, Datasource: loki, Range: true, MaxLines: 200}})
	logs.Datasource = loki
	logs.Options = map[string]any{"showTime": true, "enableLogDetails": true, "sortOrder": "Descending", "wrapLogMessage": true}
	return dashboard("service", "tenhop · 2 Service RED",
		"Rate, errors and duration of one service, with the traces behind them.",
		lines("Rate", "A drop means that a caller fails earlier or that traffic moved: look at the callers' error panels.", perSec, 8,
			q("{{service_name}} {{operation}}", `hop:requests:rate1m{`+recorded+`}`)),
		lines("Errors", "Above 5 %: read the log lines below, filtered by level=error, and open one of their traces.", ratio, 8,
			q("{{service_name}} {{operation}}", `hop:errors:ratio1m{`+recorded+`}`)),
		lines("In flight", "Rising with a flat rate means that requests wait: for a pool, a lock or a slow callee.", count, 8,
			q("{{service_name}} http", `sum by (service_name) (http_server_active_requests{env=~"$env",service_name=~"$service"})`),
			q("{{service_name}} grpc", `sum by (service_name) (rpc_server_active_requests{env=~"$env",service_name=~"$service"})`),
			q("{{service_name}} kafka", `sum by (service_name) (messaging_process_active{env=~"$env",service_name=~"$service"})`)),
		lines("p50", "If p99 moved and p50 did not, only some requests are slow: diagnose names their attribute.", seconds, 8,
			withExemplars(q("{{service_name}} {{operation}}", quantile(0.5, ", service_name, operation", "hop_duration_seconds", scope)))),
		lines("p95", "Click a dot to open a trace of that duration.", seconds, 8,
			withExemplars(q("{{service_name}} {{operation}}", quantile(0.95, ", service_name, operation", "hop_duration_seconds", scope)))),
		lines("p99", "Compare with self time: if self time is flat, the time is in a callee.", seconds, 8,
			withExemplars(q("{{service_name}} {{operation}}", quantile(0.99, ", service_name, operation", "hop_duration_seconds", scope)))),
		heat("Latency", "Two bands mean two kinds of request. Click an exemplar in each band and compare the traces.", 24,
			`sum by (le) (increase(hop_duration_seconds_bucket{`+scope+`}[$__rate_interval]))`),
		table("Operations", "Each row links to a search of its traces.", 24, nil, []grafana.Link{jaegerSearch},
			column{"p95", seconds, `histogram_quantile(0.95, sum by (le, service_name, operation) (rate(hop_duration_seconds_bucket{` + scope + `}[1m]))) >= 0`},
			column{"p50", seconds, `histogram_quantile(0.5, sum by (le, service_name, operation) (rate(hop_duration_seconds_bucket{` + scope + `}[1m]))) >= 0`},
			column{"requests/s", perSec, `sum by (service_name, operation) (rate(hop_duration_seconds_count{` + scope + `}[1m])) > 0`},
			column{"mean self time", seconds, `sum by (service_name, operation) (rate(hop_self_duration_seconds_sum{` + scope + `}[1m])) / (sum by (service_name, operation) (rate(hop_self_duration_seconds_count{` + scope + `}[1m])) > 0)`}),
		logs,
	)
}
