// Package otelcol counts what the embedded receivers and stores do under the
// names that the OpenTelemetry Collector gives its own telemetry, so that one
// dashboard and one set of alerts serve both.
package otelcol

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics is the pipeline's health. The names carry no _total suffix, as the
// collector's default exposition does not either.
type Metrics struct {
	acceptedSpans *prometheus.CounterVec
	refusedSpans  *prometheus.CounterVec
	acceptedLogs  *prometheus.CounterVec
	refusedLogs   *prometheus.CounterVec
	badRequests   *prometheus.CounterVec
	sentSpans     *prometheus.CounterVec
	failedSpans   *prometheus.CounterVec
	sentLogs      *prometheus.CounterVec
	failedLogs    *prometheus.CounterVec
}

// New registers the metrics with reg. It panics if they are registered already.
func New(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	return &Metrics{
		acceptedSpans: counter("otelcol_receiver_accepted_spans",
			"Spans that a receiver took in and the pipeline stored.", "receiver", "transport"),
		refusedSpans: counter("otelcol_receiver_refused_spans",
			"Spans that a receiver decoded and the pipeline could not take.", "receiver", "transport"),
		acceptedLogs: counter("otelcol_receiver_accepted_log_records",
			"Log records that a receiver took in and the pipeline stored.", "receiver", "transport"),
		refusedLogs: counter("otelcol_receiver_refused_log_records",
			"Log records that a receiver decoded and the pipeline could not take.", "receiver", "transport"),
		badRequests: counter("tenhop_receiver_bad_requests_total",
			"Requests that a receiver could not decode: malformed, oversized or of an unknown content type.",
			"receiver", "transport", "reason"),
		sentSpans: counter("otelcol_exporter_sent_spans",
			"Spans written to their store.", "exporter"),
		failedSpans: counter("otelcol_exporter_send_failed_spans",
			"Spans that their store did not take.", "exporter"),
		sentLogs: counter("otelcol_exporter_sent_log_records",
			"Log records written to their store.", "exporter"),
		failedLogs: counter("otelcol_exporter_send_failed_log_records",
			"Log records that their store did not take.", "exporter"),
	}
}

// Receiver counts for one receiver and transport.
type Receiver struct {
	acceptedSpans, refusedSpans prometheus.Counter
	acceptedLogs, refusedLogs   prometheus.Counter
	bad                         *prometheus.CounterVec
}

// Receiver returns the counters of one receiver ("otlp", "jaeger") and
// transport ("grpc", "http", "thrift_http", "thrift_compact"). They start at 0
// rather than absent.
func (m *Metrics) Receiver(receiver, transport string) *Receiver {
	return &Receiver{
		acceptedSpans: m.acceptedSpans.WithLabelValues(receiver, transport),
		refusedSpans:  m.refusedSpans.WithLabelValues(receiver, transport),
		acceptedLogs:  m.acceptedLogs.WithLabelValues(receiver, transport),
		refusedLogs:   m.refusedLogs.WithLabelValues(receiver, transport),
		bad: m.badRequests.MustCurryWith(prometheus.Labels{
			"receiver": receiver, "transport": transport,
		}),
	}
}

// Spans counts n spans as accepted, or as refused if err is not nil.
func (r *Receiver) Spans(n int, err error) {
	if err != nil {
		r.refusedSpans.Add(float64(n))
		return
	}
	r.acceptedSpans.Add(float64(n))
}

// Logs counts n log records as accepted, or as refused if err is not nil.
func (r *Receiver) Logs(n int, err error) {
	if err != nil {
		r.refusedLogs.Add(float64(n))
		return
	}
	r.acceptedLogs.Add(float64(n))
}

// Bad counts a request that could not be decoded. Reasons are few and fixed:
// "malformed", "oversized", "content_type".
func (r *Receiver) Bad(reason string) { r.bad.WithLabelValues(reason).Inc() }

// Exporter counts for one store.
type Exporter struct {
	sentSpans, failedSpans prometheus.Counter
	sentLogs, failedLogs   prometheus.Counter
}

// Exporter returns the counters of one store.
func (m *Metrics) Exporter(name string) *Exporter {
	return &Exporter{
		sentSpans:   m.sentSpans.WithLabelValues(name),
		failedSpans: m.failedSpans.WithLabelValues(name),
		sentLogs:    m.sentLogs.WithLabelValues(name),
		failedLogs:  m.failedLogs.WithLabelValues(name),
	}
}

// Spans counts n spans as sent, or as failed if err is not nil.
func (e *Exporter) Spans(n int, err error) {
	if err != nil {
		e.failedSpans.Add(float64(n))
		return
	}
	e.sentSpans.Add(float64(n))
}

// Logs counts n log records as sent, or as failed if err is not nil.
func (e *Exporter) Logs(n int, err error) {
	if err != nil {
		e.failedLogs.Add(float64(n))
		return
	}
	e.sentLogs.Add(float64(n))
}
