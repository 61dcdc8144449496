// Package spanmetrics computes metrics from the spans of any instrumentation.
//
// A Processor takes spans as they arrive and is a prometheus.Collector of:
//
//   - the families that tenhop's middleware exports for the services that use it:
//     hop_self_duration_seconds, hop_duration_seconds, hop_wait_duration_seconds,
//     hop_queue_wait_seconds and hop_completion_duration_seconds, and the durations of
//     HTTP requests, RPCs and messages of the semantic conventions. They have the label
//     source="spans".
//   - the families of the OpenTelemetry Collector's span metrics and service graph
//     connectors, with their names and labels.
//
// Self time and waits need whole traces. Spans are therefore held until their trace is
// probably complete: no span has arrived for longer than the slowest exporter delays
// its spans. A span that arrives later still counts as a call and as a request, but
// has no self time. The number of spans held and of series is bounded; what exceeds a
// bound is counted.
package spanmetrics
