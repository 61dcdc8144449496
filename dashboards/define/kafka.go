package define

import "github.com/tenhop/tenhop/dashboards/grafana"

func kafka() grafana.Dashboard {
	const msg = `env=~"$env",service_name=~"$service"`
	return dashboard("kafka", "tenhop · 4 Kafka hops",
		"Produced, waited, processed: the asynchronous flow of a request, over Kafka or RabbitMQ.",
		stat("Longest mean queue wait", "Above 1 s: the consumer is behind. See Produced against processed.", seconds, 8, above(1, 5),
			q("{{operation}}", `topk(1, hop:queue_wait_seconds:mean1m{operation=~"process .+"})`)),
		stat("Outbox wait", "Above 1 s: the relay cannot publish; check the broker.", seconds, 8, above(1, 5),
			q("{{operation}}", `max(hop:queue_wait_seconds:mean1m{operation=~"publish .+"})`)),
		stat("Backlog growth", "Records produced minus processed over five minutes. Above zero for long: add consumers or find what slowed processing.", count, 8, above(50, 500),
			q("{{messaging_destination_name}}", `sum by (messaging_destination_name) (increase(messaging_client_operation_duration_seconds_count{messaging_operation_name="send",error_type=""}[5m])) - sum by (messaging_destination_name) (increase(messaging_process_duration_seconds_count{error_type=""}[5m]))`)),
		lines("Lag per consumer group", "Messages that a group has not taken yet, also while it is down. A line that rises: the service that the group is named after is down, blocked or too slow.", count, 24,
			q("{{messaging_consumer_group_name}} of {{messaging_destination_name}}", `max by (messaging_consumer_group_name, messaging_destination_name) (messaging_consumer_group_lag{env=~"$env"})`)),
		lines("Produced against processed", "Lines that diverge mean that the consumer falls behind.", perSec, 12,
			q("{{messaging_destination_name}} produced", `topic:produced:rate1m`), q("{{messaging_destination_name}} processed", `topic:processed:rate1m`)),
		lines("Queue wait, mean", "From production to the start of processing. The dots lead to traces with a long queue wait.", seconds, 12,
			q("{{service_name}} {{operation}}", `hop:queue_wait_seconds:mean1m`)),
		heat("Queue wait", "A second band means that one partition or one consumer lags.", 12,
			`sum by (le) (increase(hop_queue_wait_seconds_bucket{`+msg+`}[$__rate_interval]))`),
		heat("Processing", "Slow processing becomes queue wait for everything behind it.", 12,
			`sum by (le) (increase(messaging_process_duration_seconds_bucket{`+msg+`}[$__rate_interval]))`),
		lines("Processing, p95", "Open the service's dashboard for the operation that slowed.", seconds, 12,
			withExemplars(q("{{service_name}} {{messaging_destination_name}}", quantile(0.95, ", service_name, messaging_destination_name", "messaging_process_duration_seconds", msg)))),
		lines("End to end: entry to processed", "The duration of the asynchronous flow. If it grew and processing did not, it is queue wait or the outbox.", seconds, 12,
			withExemplars(q("{{operation}}", quantile(0.95, ", operation", "hop_completion_duration_seconds", msg)))),
		lines("Redeliveries: failed attempts", "Every failed attempt is a redelivery. One record that fails again and again blocks its partition: read the log lines of the service.", perSec, 12,
			q("{{service_name}} {{messaging_destination_name}} {{error_type}}", `sum by (service_name, messaging_destination_name, error_type) (rate(messaging_process_duration_seconds_count{error_type!="",`+msg+`}[$__rate_interval]))`)),
		lines("Produce, p95", "From buffered to acknowledged. A jump means a slow broker, or an election.", seconds, 12,
			withExemplars(q("{{service_name}} {{messaging_destination_name}}", quantile(0.95, ", service_name, messaging_destination_name", "messaging_client_operation_duration_seconds", msg)))),
	)
}
