package servicemap

import (
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

// queries holds the PromQL queries of a snapshot by name.
var queries = map[string]string{
	"rate":      `sum by (service_name, operation) (rate(hop_duration_seconds_count` + over + `))`,
	"failed":    `sum by (service_name) (rate(` + served + `,` + signals.Failed() + `}` + overErrors + `)) / (sum by (service_name) (rate(` + served + `}` + overErrors + `)) > 0)`,
	"opFailed":  `hop:errors:ratio1m`,
	"p95":       `histogram_quantile(0.95, sum by (le, service_name) (rate(hop_duration_seconds_bucket` + over + `)))`,
	"opP95":     `histogram_quantile(0.95, sum by (le, service_name, operation) (rate(hop_duration_seconds_bucket` + over + `)))`,
	"self":      `sum by (service_name, operation) (rate(hop_self_duration_seconds_sum` + over + `))`,
	"waits":     `sum by (service_name, dependency, dependency_kind) (rate(hop_wait_duration_seconds_count` + calls + over + `))`,
	"waited":    `sum by (service_name, dependency, dependency_kind) (rate(hop_wait_duration_seconds_sum` + calls + over + `))`,
	"sent":      `sum by (service_name, messaging_system, messaging_destination_name) (rate(messaging_client_operation_duration_seconds_count{messaging_operation_name="send"}` + over + `))`,
	"processed": `sum by (service_name, messaging_system, messaging_destination_name) (rate(messaging_process_duration_seconds_count` + over + `))`,
	"queued":    `sum by (service_name, operation) (rate(hop_queue_wait_seconds_sum` + over + `)) / (sum by (service_name, operation) (rate(hop_queue_wait_seconds_count` + over + `)) > 0)`,
	// Some messages wait at any time; a queue is what does not drain.
	"waiting": `max by (messaging_destination_name, messaging_consumer_group_name) (messaging_consumer_group_lag and min_over_time(messaging_consumer_group_lag[10s]) > 0)`,
	// Resilience of calls, of services that report it.
	"retries":  `sum by (service_name, dependency) (rate(hop_call_retries_total` + over + `))`,
	"refused":  `sum by (service_name, dependency, reason) (rate(hop_calls_refused_total` + over + `))`,
	"breakers": `max by (service_name, dependency) (hop_circuit_breaker_state)`,
	"shed":     `sum by (service_name) (rate(hop_requests_shed_total` + over + `))`,

	"entryRate": `entry:requests:rate15s`,
	"mean":      `entry:duration_seconds:mean15s`,
	"baseline":  `entry:duration_seconds:baseline10m`,
	"spiking":   `entry:spiking:bool`,
	// Caller and callee are scraped at different times, so added time counts only
	// when two evaluations in a row, 2 s or 5 s apart, agree.
	"added": `(entry_hop:added_seconds:mean15s > 0.001) and (min_over_time(entry_hop:added_seconds:mean15s[6s]) > 0.001)` +
		` and (count_over_time(entry_hop:added_seconds:mean15s[11s]) >= 2)`,
	"objective": `slo:objective:ratio{windows="standard"}`,
	"slo5m":     `slo:errors:ratio5m{windows="standard"}`,
	"slo1h":     `slo:errors:ratio1h{windows="standard"}`,
	"slo6h":     `slo:errors:ratio6h{windows="standard"}`,
}
