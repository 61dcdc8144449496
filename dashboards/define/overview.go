package define

import "github.com/tenhop/tenhop/dashboards/grafana"

const p95ByHop = `histogram_quantile(0.95, sum by (le, service_name) (rate(hop_duration_seconds_bucket{` + scope + `}[$__rate_interval])))`

func overview() grafana.Dashboard {
	burn := above(1, 14.4)
	graph := panel("nodeGraph", "Who calls whom",
		"Edges carry calls per second, nodes their p95. A node that slowed while its callees did not is the place to look: open Where did the time go.",
		"", 12, 12, []grafana.Target{
			{RefID: "nodes", Format: "table", Instant: true, Expr: `label_join(label_join(histogram_quantile(0.95, sum by (le, service_name) (rate(hop_duration_seconds_bucket{` + scope + `}[1m]))) >= 0, "id", "", "service_name"), "title", "", "service_name")`},
			{RefID: "edges", Format: "table", Instant: true, Expr: `label_join(label_join(label_join(sum by (service_name, dependency) (rate(hop_wait_duration_seconds_count{env=~"$env",dependency_kind=~"http|grpc",dependency!="loyalty"}[1m])) > 0, "id", " to ", "service_name", "dependency"), "source", "", "service_name"), "target", "", "dependency")`},
		})
	graph.Transformations = []grafana.Transformation{{ID: "organize", Options: map[string]any{
		"excludeByName": map[string]any{"Time": true, "service_name": true, "dependency": true},
		"renameByName":  map[string]any{"Value": "mainstat", "Value #nodes": "mainstat", "Value #edges": "mainstat"}, "indexByName": map[string]any{},
	}}}
	graph.Options = map[string]any{"nodes": map[string]any{"mainStatUnit": seconds}, "edges": map[string]any{"mainStatUnit": perSec}}

	hops := panel("heatmap", "p95 by hop",
		"One row per service. The row that turned dark and whose callees stayed pale owns the spike; click a service in the table below.",
		seconds, 12, 12, []grafana.Target{q("{{service_name}}", p95ByHop)})
	hops.Options = map[string]any{
		"calculate": false, "rowsFrame": map[string]any{"layout": "auto"}, "cellGap": 1,
		"color":   map[string]any{"mode": "scheme", "scheme": "Oranges", "steps": 64},
		"tooltip": map[string]any{"mode": "single"}, "yAxis": map[string]any{"unit": seconds},
	}
	return dashboard("overview", "tenhop · 1 Ten hops at a glance",
		"Is anything wrong, since when, and where. Follow the firing alert's dashboard link.",
		stat("Requests", "A drop without errors means that traffic does not arrive: check the load and the gateway's process.", perSec, 6, above(1e6, 1e7),
			q("requests/s", `sum(hop:requests:rate1m{service_name="gateway"})`)),
		stat("Failing", "Above 1 %: open Service RED for the service with the highest error ratio.", ratio, 6, above(0.01, 0.05),
			q("errors", `sum(hop:requests:rate1m{service_name="gateway"} * on (service_name, operation, protocol) hop:errors:ratio1m) / sum(hop:requests:rate1m{service_name="gateway"}) or vector(0)`)),
		stat("Firing alerts", "Each alert below links to its runbook, dashboard and traces.", count, 6, above(1, 3),
			q("firing", `count(ALERTS{alertstate="firing",alertname!="Watchdog"}) or vector(0)`)),
		stat("Fastest budget burn", "Above 1 the budget will not last; above 14.4 somebody is paged.", noUnit, 6, burn,
			q("{{slo}}", `topk(1, slo:errors:ratio5m{windows="standard"} / on (slo, service_name, windows) (1 - slo:objective:ratio))`)),
		hops, graph,
		table("Alerts", "Open the hop's dashboard; the summary annotation carries hop, added time and share.", 12,
			[]string{"__name__", "alertstate", "kind", "windows"}, []grafana.Link{openService, jaegerSearch},
			column{"firing", noUnit, `ALERTS{alertstate="firing"}`}),
		table("Services", "Sort by p95 or errors, then open the service.", 12, nil, []grafana.Link{openService, jaegerSearch},
			column{"p95", seconds, `histogram_quantile(0.95, sum by (le, service_name, operation) (rate(hop_duration_seconds_bucket{` + scope + `}[1m]))) >= 0`},
			column{"requests/s", perSec, `sum by (service_name, operation) (rate(hop_duration_seconds_count{` + scope + `}[1m])) > 0`}),
		lines("p95 of entries", "The entry that moved is the one to diagnose: tenhop diagnose --entry. Dots are traces.", seconds, 24,
			withExemplars(q("{{entry}}", quantile(0.95, ", entry", "hop_duration_seconds", `env=~"$env",service_name="gateway",entry=~"$entry"`)))),
	)
}
