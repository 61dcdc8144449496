package define

import "github.com/tenhop/tenhop/dashboards/grafana"

// phase is the median of a phase over all drills. It has no value before the first.
func phase(name string) string {
	return `histogram_quantile(0.5, sum by (le) (tenhop_drill_phase_seconds_bucket{phase="` + name + `"}))`
}

func drills() grafana.Dashboard {
	return dashboard("drills", "tenhop · 8 Drills",
		"How fast hidden faults were detected, diagnosed and lifted, and how often the answer was right.",
		stat("Rounds", "No value: run tenhop drill --auto.", count, 4, above(1e6, 1e7), q("rounds", `sum(tenhop_drill_rounds_total)`)),
		stat("Right answers", "Below 0.95: read the misses in the drill's report and record them as incidents.", ratio, 4, below(0.8, 0.95),
			q("right hop", `(sum(tenhop_drill_rounds_total{right_hop="true"}) or 0 * sum(tenhop_drill_rounds_total)) / sum(tenhop_drill_rounds_total)`)),
		stat("Time to detect", "Above 15 s: see whether scrapes and rules run every 2 s.", seconds, 4, above(15, 30), q("alerted", phase("alerted"))),
		stat("Time to diagnose", "Above 30 s: read in the drill's report what the diagnosis waited for.", seconds, 4, above(30, 60), q("answered", phase("answered"))),
		stat("Time to recover", "From lifting the fault until the entry is back at its baseline; queues drain last.", seconds, 4, above(30, 60), q("recovered", phase("recovered"))),
		stat("Entries off their baseline", "One while a latency fault is on; several if a shared hop is slow.", count, 4, above(1, 3),
			q("spiking", `sum(entry:spiking:bool)`)),
		lines("Entry latency during drills", "Each plateau is a round: onset, then recovery.", seconds, 12,
			q("{{entry}} {{flow}}", `entry:duration_seconds:mean15s{entry=~"$entry"}`)),
		lines("Alerts", "During a latency round the line of the alert that names the hop should begin within 15 s of the onset.", count, 12,
			q("{{alertname}} {{alertstate}}", `count by (alertname, alertstate) (ALERTS{alertname!="Watchdog"})`)),
	)
}
