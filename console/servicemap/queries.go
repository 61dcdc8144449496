package servicemap

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/signals"
)

// served selects the counts of served calls. It lacks the closing brace.
var served = `{__name__=~"` + strings.Join(signals.Served(), "_count|") + `_count"`

const (
	// Placeholders for the windows of rates, see Reader.rateWindow.
	over       = `[30s]`
	overErrors = `[60s]` // that of hop:errors:ratio1m, which is shown beside

	// calls excludes the waits that are not calls of a node: for a connection, for a
	// topic, for the caller's body.
	calls = `{dependency_kind!~"pool|produce|caller"}`
)

// meanings maps the meanings of signals.Labels to the label names of the queries.
var meanings = map[string]string{"service": "service_name", "operation": "operation", "dependency": "dependency", "entry": "entry"}

// replaced prefixes the names of labels that hold the values which renamed replaces. Labels
// of stored series have no such names.
const replaced = "__replaced_"

// renamed returns a function that gives the series of an expression the label names of the
// queries, where a Prometheus has others for them. The values that it replaces are kept in
// other labels, since series may differ in nothing else, and Prometheus refuses a vector with
// two series of the same labels. An aggregation must drop them.
func renamed(own signals.Labels) func(string) string {
	return func(expr string) string {
		for _, meaning := range slices.Sorted(maps.Keys(meanings)) {
			if len(own[meaning]) > 0 {
				expr = fmt.Sprintf(`label_replace(%s, %q, "$1", %q, "(.*)")`, expr, replaced+meanings[meaning], meanings[meaning])
			}
			// The last one that is set counts. Of namespace/name, the name counts.
			for _, name := range slices.Backward(own[meaning]) {
				value := `(.+)`
				if meaning == "service" {
					value = `(?:.*/)?([^/]+)`
				}
				expr = fmt.Sprintf(`label_replace(%s, %q, "$1", %q, %q)`, expr, meanings[meaning], name, value)
			}
		}
		return expr
	}
}

// queries returns the PromQL queries of a snapshot by name. own names the labels that differ
// from those of the conventions. Recorded series that have the same labels then are combined:
// rates are added, durations of entries are averaged without weights, and of ratios, states
// and added times the highest counts.
func queries(own signals.Labels) map[string]string {
	as := renamed(own)
	rate := func(selector, window string) string { return as(`rate(` + selector + window + `)`) }
	sum := func(by, series string) string { return `sum by (` + by + `) (` + series + `)` }
	mean := func(by, series string) string { return `avg by (` + by + `) (` + as(series) + `)` }
	highest := func(by, series string) string { return `max by (` + by + `) (` + as(series) + `)` }
	ratio := func(by, of, to string) string { return sum(by, of) + ` / (` + sum(by, to) + ` > 0)` }
	const operation, edge, topic = "service_name, operation", "service_name, dependency, dependency_kind", "service_name, messaging_system, messaging_destination_name"
	const entry, part, objective = "entry, flow", "entry, flow, kind, service_name, operation, dependency", "service_name, slo"
	return map[string]string{
		"rate":      sum(operation, rate(`hop_duration_seconds_count`, over)),
		"failed":    ratio("service_name", rate(served+`,`+signals.Failed()+`}`, overErrors), rate(served+`}`, overErrors)),
		"opFailed":  highest(operation, `hop:errors:ratio1m`),
		"p95":       `histogram_quantile(0.95, ` + sum("le, service_name", rate(`hop_duration_seconds_bucket`, over)) + `)`,
		"opP95":     `histogram_quantile(0.95, ` + sum("le, service_name, operation", rate(`hop_duration_seconds_bucket`, over)) + `)`,
		"self":      sum(operation, rate(`hop_self_duration_seconds_sum`, over)),
		"waits":     sum(edge, rate(`hop_wait_duration_seconds_count`+calls, over)),
		"waited":    sum(edge, rate(`hop_wait_duration_seconds_sum`+calls, over)),
		"sent":      sum(topic, rate(`messaging_client_operation_duration_seconds_count{messaging_operation_name="send"}`, over)),
		"processed": sum(topic, rate(`messaging_process_duration_seconds_count`, over)),
		"queued":    ratio(operation, rate(`hop_queue_wait_seconds_sum`, over), rate(`hop_queue_wait_seconds_count`, over)),
		// Some messages wait at any time; a queue is what does not drain.
		"waiting": `max by (messaging_destination_name, messaging_consumer_group_name) (messaging_consumer_group_lag and min_over_time(messaging_consumer_group_lag[10s]) > 0)`,
		// Resilience of calls, of services that report it.
		"retries":  sum("service_name, dependency", rate(`hop_call_retries_total`, over)),
		"refused":  sum("service_name, dependency, reason", rate(`hop_calls_refused_total`, over)),
		"breakers": highest("service_name, dependency", `hop_circuit_breaker_state`),
		"shed":     sum("service_name", rate(`hop_requests_shed_total`, over)),

		"entryRate": sum(entry, as(`entry:requests:rate15s`)),
		"mean":      mean(entry, `entry:duration_seconds:mean15s`),
		"baseline":  mean(entry, `entry:duration_seconds:baseline10m`),
		"spiking":   highest(entry, `entry:spiking:bool`),
		// Caller and callee are scraped at different times, so added time counts only
		// when two evaluations in a row, 2 s or 5 s apart, agree.
		"added": highest(part, `(entry_hop:added_seconds:mean15s > 0.001) and (min_over_time(entry_hop:added_seconds:mean15s[6s]) > 0.001)`+
			` and (count_over_time(entry_hop:added_seconds:mean15s[11s]) >= 2)`),
		"objective": highest(objective, `slo:objective:ratio{windows="standard"}`),
		"slo5m":     highest(objective, `slo:errors:ratio5m{windows="standard"}`),
		"slo1h":     highest(objective, `slo:errors:ratio1h{windows="standard"}`),
		"slo6h":     highest(objective, `slo:errors:ratio6h{windows="standard"}`),
	}
}
