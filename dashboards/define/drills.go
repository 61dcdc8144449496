package define

import "github.com/tenhop/tenhop/dashboards/grafana"

// phase is the median over the drills of the range, 0 before the first.
func phase(name string) string {
	return `histogram_quantile(0.5, sum by (le) (rate(tenhop_drill_phase_seconds_bucket{phase="` + name + `"}[$__range]))) or vector(0)`
}

func drills() grafana.Dashboard {
	return dashboard("drills", "tenhop · 8 Drills",
		"How fast a hidden fault was detected, diagnosed and lifted, and how often the answer was right.",
		stat("Rounds", "No rounds yet: run tenhop drill --auto.", count, 4, above(1e6, 1e7), q("rounds", `sum(tenhop_drill_rounds_total) or vector(0)`)),
		stat("Right answers", "Below 0.95: read the misses in the drill's report and keep them as recorded incidents.", ratio, 4, below(0.8, 0.95),
			q("right hop", `sum(tenhop_drill_rounds_total{right_hop="true"}) / sum(tenhop_drill_rounds_total) or vector(0)`)),
		stat("Time to detect", "Above 15 s: see whether scrapes and rules run every 2 s.", seconds, 4, above(15, 30), q("alerted", phase("alerted"))),
		stat("Time to diagnose", "Above 30 s: diagnose waits for its window; read what it says it waited for.", seconds, 4, above(30, 60), q("answered", phase("answered"))),
		stat("Time to recover", "From the fault lifted to the entry back in its baseline; queues are worked off last.", seconds, 4, above(30, 60), q("recovered", phase("recovered"))),
		stat("Entries off their baseline", "One while a latency fault is on; several if a shared hop is slow.", count, 4, above(1, 3),
			q("spiking", `sum(entry:spiking:bool) or vector(0)`)),
		lines("Entry latency during drills", "Each plateau is a round: onset, then recovery.", seconds, 12,
			q("{{entry}} {{flow}}", `entry:duration_seconds:mean15s{entry=~"$entry"}`)),
		lines("Alerts", "During a latency round the line of the alert that names the hop should begin within 15 s of the onset.", count, 12,
			q("{{alertname}} {{alertstate}}", `count by (alertname, alertstate) (ALERTS)`)),
	)
}
