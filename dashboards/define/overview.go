package define

import "github.com/tenhop/tenhop/dashboards/grafana"

// atEntries selects, of the series in expr, those of operations that are entries.
func atEntries(expr string) string {
	return expr + ` and on (operation) label_join(entry:requests:rate15s{flow="request"}, "operation", "", "entry")`
}

// failing is the share of the requests in rate that failed. It is 0 when none
// failed, and has no value when there were no requests.
func failing(rate string) string {
	return `(sum(hop:errors:ratio1m * on (service_name, operation, protocol) (` + rate + `)) or 0 * sum(` + rate + `)) / (sum(` + rate + `) > 0)`
}

const p95ByHop = `histogram_quantile(0.95, sum by (le, service_name) (rate(hop_duration_seconds_bucket{` + scope + `}[$__rate_interval])))`

func overview() grafana.Dashboard {
	const rate = `hop:requests:rate1m`
	burn := above(1, 14.4)
	graph := panel("nodeGraph", "Who calls whom",
		"Edges show calls/s, nodes their p95. A node that became slower while its callees did not is the slow hop: open Where did the time go.",
		"", 12, 12, []grafana.Target{
			{RefID: "nodes", Format: "table", Instant: true, Expr: `label_join(label_join(histogram_quantile(0.95, sum by (le, service_name) (rate(hop_duration_seconds_bucket{` + scope + `}[1m]))) >= 0, "id", "", "service_name"), "title", "", "service_name")`},
			{RefID: "edges", Format: "table", Instant: true, Expr: `label_join(label_join(label_join(sum by (service_name, dependency) (rate(hop_wait_duration_seconds_count{env=~"$env",dependency_kind=~"http|grpc"}[1m])) > 0 and on (dependency) label_join(group by (service_name) (hop_duration_seconds_count{env=~"$env"}), "dependency", "", "service_name"), "id", " to ", "service_name", "dependency"), "source", "", "service_name"), "target", "", "dependency")`},
		})
	graph.Transformations = []grafana.Transformation{{ID: "organize", Options: map[string]any{
		"excludeByName": map[string]any{"Time": true, "service_name": true, "dependency": true},
		"renameByName":  map[string]any{"Value": "mainstat", "Value #nodes": "mainstat", "Value #edges": "mainstat"}, "indexByName": map[string]any{},
	}}}
	graph.Options = map[string]any{"nodes": map[string]any{"mainStatUnit": seconds}, "edges": map[string]any{"mainStatUnit": perSec}}

	hops := panel("heatmap", "p95 by hop",
		"One row per service. The row that turned dark while its callees stayed pale is the slow hop; click a service in the table below.",
		seconds, 12, 12, []grafana.Target{q("{{service_name}}", p95ByHop)})
	hops.Options = map[string]any{
		"calculate": false, "rowsFrame": map[string]any{"layout": "auto"}, "cellGap": 1,
		"color":   map[string]any{"mode": "scheme", "scheme": "Oranges", "steps": 64},
		"tooltip": map[string]any{"mode": "single"}, "yAxis": map[string]any{"unit": seconds},
	}
	return dashboard("overview", "tenhop · 1 Ten hops at a glance",
		"Is anything wrong, since when, and where. Follow the firing alert's dashboard link.",
		stat("Requests", "Requests at the entries; of all hops where no entry is known. A drop without errors means that traffic does not arrive: check the clients and the edge.", perSec, 6, above(1e6, 1e7),
			q("requests/s", `sum(`+atEntries(rate)+`) or sum(`+rate+`)`)),
		stat("Failing", "Above 1 %: open Service RED for the service with the highest error ratio. No value: no requests were measured.", ratio, 6, above(0.01, 0.05),
			q("errors", failing(atEntries(rate))+` or `+failing(rate))),
		stat("Firing alerts", "Each alert below links to its runbook, dashboard and traces. No value: Watchdog does not fire, so no rules are evaluated.", count, 6, above(1, 3),
			q("firing", `count(ALERTS{alertstate="firing"}) - count(ALERTS{alertstate="firing",alertname="Watchdog"})`)),
		stat("Fastest budget burn", "Above 1 the budget will not last; above 14.4 is a page.", noUnit, 6, burn,
			q("{{slo}}", `topk(1, slo:errors:ratio5m{windows="standard"} / on (slo, service_name, windows) (1 - slo:objective:ratio))`)),
		hops, graph,
		table("Alerts", "Open the hop's dashboard; the alert's summary has hop, added time and share.", 12,
			[]string{"__name__", "alertstate", "kind", "windows"}, []grafana.Link{openService},
			column{"firing", noUnit, `ALERTS{alertstate="firing",alertname!="Watchdog"}`}),
		table("Services", "Sort by p95 or errors, then open the service.", 12, nil, []grafana.Link{openService, jaegerSearch},
			column{"p95", seconds, `histogram_quantile(0.95, sum by (le, service_name, operation) (rate(hop_duration_seconds_bucket{` + scope + `}[1m]))) >= 0`},
			column{"requests/s", perSec, `sum by (service_name, operation) (rate(hop_duration_seconds_count{` + scope + `}[1m])) > 0`}),
		lines("p95 of entries", "Diagnose the entry that moved: tenhop diagnose --entry. Dots are traces.", seconds, 24,
			withExemplars(q("{{entry}}", `histogram_quantile(0.95, sum by (le, entry) (`+
				`rate(hop_duration_seconds_bucket{env=~"$env",flow="request",entry=~"$entry"}[$__rate_interval])`+
				` and on (operation, entry) label_join(entry:requests:rate15s{flow="request"}, "operation", "", "entry")))`))),
	)
}
