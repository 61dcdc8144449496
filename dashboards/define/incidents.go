package define

import "github.com/tenhop/tenhop/dashboards/grafana"

// until is the median of the time to a phase over all incidents that are kept. It has no
// value before the first.
func until(phase string) string {
	return `histogram_quantile(0.5, sum by (le) (tenhop_incident_seconds_bucket{phase="` + phase + `"}))`
}

// meanUntil is the mean of the time to a phase over the incidents that are kept.
func meanUntil(phase string) string {
	return `sum(tenhop_incident_seconds_sum{phase="` + phase + `"}) / (sum(tenhop_incident_seconds_count{phase="` + phase + `"}) > 0)`
}

func incidents() grafana.Dashboard {
	return dashboard("incidents", "tenhop · 9 Incidents",
		"How often something was wrong, and how fast it was noticed, named and over.",
		stat("Open incidents", "Above zero: open the incident at the console, under Incidents.", count, 4, above(1, 3), q("open", `sum(tenhop_incidents_open)`)),
		stat("Closed incidents", "No value: run tenhop up --watch, or tenhop watch.", count, 4, above(1e6, 1e7), q("incidents", `sum(tenhop_incidents_total)`)),
		stat("Named", "Below 0.8: read in the incidents why their diagnosis was not sure.", ratio, 4, below(0.5, 0.8),
			q("named", `(sum(tenhop_incidents_total{named="true"}) or 0 * sum(tenhop_incidents_total)) / (sum(tenhop_incidents_total) > 0)`)),
		stat("Time to notice", "Median, to the first alert or find. Above 30 s: see whether scrapes and rules run every few seconds.", seconds, 4, above(30, 120), q("paged", until("paged"))),
		stat("Time to the cause", "Median. Above 60 s: read in the incidents what the diagnosis waited for.", seconds, 4, above(60, 300), q("named", until("named"))),
		stat("Time to recover", "Median, to the end of the last alert. Read the longest incidents first.", seconds, 4, above(1800, 7200), q("recovered", until("recovered"))),
		lines("Mean times", "A line that rises shows newer incidents that take longer; the console lists each.", seconds, 12,
			q("noticed", meanUntil("paged")), q("to the cause", meanUntil("named")), q("to the recovery", meanUntil("recovered"))),
		lines("Incidents that ended", "Several in an hour: look for what they have in common before the next.", count, 12,
			q("named {{named}}", `sum by (named) (increase(tenhop_incidents_total[1h]))`)),
		lines("Alerts", "Alerts that fire without an incident did not settle, or are not watched.", count, 12,
			q("{{alertname}} {{alertstate}}", `count by (alertname, alertstate) (ALERTS{alertname!="Watchdog"})`)),
	)
}
