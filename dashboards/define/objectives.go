package define

import "github.com/tenhop/tenhop/dashboards/grafana"

func objectives() grafana.Dashboard {
	const (
		std    = `windows="standard"`
		on     = ` / on (slo, service_name, windows) (1 - slo:objective:ratio{` + std + `})`
		budget = `1 - slo:errors:ratio3d{` + std + `}` + on
	)
	return dashboard("slo", "tenhop · 6 SLO and error budget",
		"The error budget that is left, and how fast it burns. Burn rate 1 spends exactly the budget.",
		gauge("Budget left over three days", "Below a quarter: stop risky releases until it recovers.", 24, below(0.1, 0.25),
			q("{{slo}}", `clamp_min(`+budget+`, 0)`)),
		lines("Burn rate, 5 min", "Above 14.4, together with the burn rate over 1 h: a page.", noUnit, 12,
			q("{{slo}}", `slo:errors:ratio5m{`+std+`}`+on)),
		lines("Burn rate, 1 h", "Above 6, together with the burn rate over 6 h: a page. Slower burns open a ticket.", noUnit, 12,
			q("{{slo}}", `slo:errors:ratio1h{`+std+`}`+on)),
		lines("Burn rate, drill windows (15 s)", "The same rules with an hour compressed to three minutes, for drills.", noUnit, 12,
			q("{{slo}}", `slo:errors:ratio15s{windows="drill"} / on (slo, service_name, windows) (1 - slo:objective:ratio{windows="drill"})`)),
		lines("Bad events", "Latency objectives count requests slower than their bucket bound, availability objectives failed ones. Open Service RED next.", ratio, 12,
			q("{{slo}}", `slo:errors:ratio5m{`+std+`}`)),
		table("Objectives", "Each objective with its budget left and its burn rate.", 24, []string{"__name__", "windows"}, nil,
			column{"budget left", ratio, `label_replace(` + budget + `, "row", "$1", "slo", "(.+)")`},
			column{"burn 6 h", noUnit, `label_replace(slo:errors:ratio6h{` + std + `}` + on + `, "row", "$1", "slo", "(.+)")`}),
	)
}
