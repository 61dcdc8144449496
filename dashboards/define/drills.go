package define

import "github.com/tenhop/tenhop/dashboards/grafana"

func drills() grafana.Dashboard {
	const q50 = `histogram_quantile(0.5, sum by (le, phase) (rate(tenhop_drill_phase_seconds_bucket[$__range])))`
	return dashboard("drills", "tenhop · 8 Drills",
		"How fast a hidden fault was detected, diagnosed and lifted, and how often the answer was right.",
		stat("Rounds", "No rounds yet: run tenhop drill --auto.", count, 6, above(1e6, 1e7), q("rounds", `sum(tenhop_drill_rounds_total) or vector(0)`)),
		stat("Right answers", "Below 0.95: read the misses in the drill's report and keep them as recorded incidents.", ratio, 6, below(0.8, 0.95),
			q("right hop", `sum(tenhop_drill_rounds_total{right_hop="true"}) / sum(tenhop_drill_rounds_total) or vector(0)`)),
		stat("Alerts now", "During a round the alert that names the hop should be here within 15 s of the onset.", count, 6, above(1, 3),
			q("named", `count(ALERTS{alertname=~"SlowHop|SlowDependency|SlowLink|SlowQueue|HopErrors",alertstate="firing"}) or vector(0)`)),
		stat("Entries that left their baseline", "One while a latency fault is on; several if a shared hop is slow.", count, 6, above(1, 3),
			q("spiking", `sum(entry:spiking:bool) or vector(0)`)),
		lines("Time by phase, median", "moved: latency left its baseline. alerted: the named alert. answered: the diagnosis. recovered: back in its baseline.", seconds, 12, q("{{phase}}", q50)),
		lines("Rounds", "A growing false line is a trend worth a look at the ranker's misses.", count, 12,
			q("right={{right_hop}}", `sum by (right_hop) (tenhop_drill_rounds_total)`)),
		lines("Entry latency during drills", "Each plateau is a round: onset, then recovery.", seconds, 24,
			q("{{entry}} {{flow}}", `entry:duration_seconds:mean15s{entry=~"$entry"}`)),
	)
}
