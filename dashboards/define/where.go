package define

import "github.com/tenhop/tenhop/dashboards/grafana"

func where() grafana.Dashboard {
	const byEntry = `entry=~"$entry"`
	hop := byEntry + `,service_name=~"$service",operation=~"$operation"`
	return dashboard("where", "tenhop · 3 Where did the time go",
		"Which hop has the time that an entry gained. Values are seconds per request of the entry, fan-out included; the baseline is the last ten minutes.",
		lines("Entries against their baseline", "Pick the entry that left its baseline in the variable above.", seconds, 12,
			q("{{entry}} {{flow}} now", `entry:duration_seconds:mean15s{`+byEntry+`}`),
			q("{{entry}} {{flow}} baseline", `entry:duration_seconds:baseline10m{`+byEntry+`}`)),
		stacked(lines("Added time by contribution", "The tallest band is the slow hop; the table below names it.", seconds, 12,
			q("{{kind}} {{service_name}} {{operation}} {{dependency}}", `clamp_min(entry_hop:added_seconds:mean15s{`+byEntry+`}, 0) > 0.005 or topk(3, entry_hop:added_seconds:mean15s{`+byEntry+`})`))),
		table("Ranked by added time", "First row first. kind=self: profile or roll back that service. kind=dependency: look at the dependency. kind=link: network, proxy, connection set-up. kind=queue: the consumer.", 24,
			nil, []grafana.Link{openService, jaegerSearch},
			column{"added", seconds, `entry_hop:added_seconds:mean15s{` + byEntry + `}`},
			column{"now", seconds, `entry_hop:contribution_seconds:mean15s{` + byEntry + `}`},
			column{"baseline", seconds, `entry_hop:contribution_seconds:baseline10m{` + byEntry + `}`}),
		stacked(lines("Self time by hop", "A band that grew is time spent inside that service.", seconds, 12,
			q("{{service_name}} {{operation}}", `entry_hop:contribution_seconds:mean15s{kind="self",flow="request",`+hop+`}`))),
		stacked(lines("Self time beyond Kafka", "The same for the hops behind a Kafka edge, per completed flow.", seconds, 12,
			q("{{service_name}} {{operation}}", `entry_hop:contribution_seconds:mean15s{kind="self",flow="async",`+hop+`}`))),
		lines("Wait by dependency", "A wait that grew with its callee's self time is explained by the callee; a wait that grew alone is the link or an uninstrumented dependency.", seconds, 12,
			q("{{service_name}} waits for {{dependency}}", `sum by (service_name, dependency) (rate(hop_wait_duration_seconds_sum{`+scope+`}[$__rate_interval])) / (sum by (service_name, dependency) (rate(hop_wait_duration_seconds_count{`+scope+`}[$__rate_interval])) > 0)`)),
		lines("Link gap: client minus server", "Normally under a millisecond on one machine. If it grew: network, connection set-up, a proxy, or queueing before the handler.", seconds, 12,
			q("to {{dependency}} at {{entry}}", `entry_hop:contribution_seconds:mean15s{kind="link",`+byEntry+`}`)),
		heat("Self time of the chosen hops", "Click an exemplar at the top of the dark band to see a slow request of this hop.", 24,
			`sum by (le) (increase(hop_self_duration_seconds_bucket{`+scope+`}[$__rate_interval]))`),
	)
}
