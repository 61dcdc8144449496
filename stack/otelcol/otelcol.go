// Package otelcol exposes the health of the embedded receivers and stores under
// the metric names of the OpenTelemetry Collector, so that one dashboard and one
// set of alerts serve both.
package otelcol

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics holds the metrics of the pipeline. As in the collector's default
// exposition, counters have no _total suffix.
type Metrics struct {
	acceptedSpans *prometheus.CounterVec
	refusedSpans  *prometheus.CounterVec
	acceptedLogs  *prometheus.CounterVec
	refusedLogs   *prometheus.CounterVec
	acceptedData  *prometheus.CounterVec
	refusedData   *prometheus.CounterVec
	badRequests   *prometheus.CounterVec
	sentSpans     *prometheus.CounterVec
	failedSpans   *prometheus.CounterVec
	sentLogs      *prometheus.CounterVec
	failedLogs    *prometheus.CounterVec
	sentData      *prometheus.CounterVec
	failedData    *prometheus.CounterVec
	queueSize     *prometheus.GaugeVec
	queueCapacity *prometheus.GaugeVec
}

// New registers the metrics with reg. It panics if they are registered already.
func New(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
		reg.MustRegister(g)
		return g
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
		acceptedData: counter("otelcol_receiver_accepted_metric_points",
			"Metric points that a receiver took in and the pipeline stored.", "receiver", "transport"),
		refusedData: counter("otelcol_receiver_refused_metric_points",
			"Metric points that a receiver decoded and the pipeline could not take.", "receiver", "transport"),
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
		sentData: counter("otelcol_exporter_sent_metric_points",
			"Metric points written to their store.", "exporter"),
		failedData: counter("otelcol_exporter_send_failed_metric_points",
			"Metric points that their store did not take.", "exporter"),
		queueSize: gauge("otelcol_exporter_queue_size",
			"Requests that wait for their store or are being written.", "exporter", "data_type"),
		queueCapacity: gauge("otelcol_exporter_queue_capacity",
			"Requests that may wait; those beyond are refused.", "exporter", "data_type"),
	}
}

// Receiver holds the counters of a receiver and transport.
type Receiver struct {
	acceptedSpans, refusedSpans prometheus.Counter
	acceptedLogs, refusedLogs   prometheus.Counter
	acceptedData, refusedData   prometheus.Counter
	bad                         *prometheus.CounterVec
}

// Receiver returns the counters of a receiver ("otlp", "jaeger") and transport
// ("grpc", "http", "thrift_http", "thrift_compact"). Their series exist from then
// on, with the value 0.
func (m *Metrics) Receiver(receiver, transport string) *Receiver {
	return &Receiver{
		acceptedSpans: m.acceptedSpans.WithLabelValues(receiver, transport),
		refusedSpans:  m.refusedSpans.WithLabelValues(receiver, transport),
		acceptedLogs:  m.acceptedLogs.WithLabelValues(receiver, transport),
		refusedLogs:   m.refusedLogs.WithLabelValues(receiver, transport),
		acceptedData:  m.acceptedData.WithLabelValues(receiver, transport),
		refusedData:   m.refusedData.WithLabelValues(receiver, transport),
		bad: m.badRequests.MustCurryWith(prometheus.Labels{
			"receiver": receiver, "transport": transport,
		}),
	}
}

// Spans counts n spans as accepted, or as refused if err is not nil. A
// *RejectedError refuses only the spans that it counts.
func (r *Receiver) Spans(n int, err error) { count(r.acceptedSpans, r.refusedSpans, n, err) }

// Logs counts n log records as accepted, or as refused if err is not nil. A
// *RejectedError refuses only the records that it counts.
func (r *Receiver) Logs(n int, err error) { count(r.acceptedLogs, r.refusedLogs, n, err) }

// Metrics counts n data points as accepted, or as refused if err is not nil. A
// *RejectedError refuses only the points that it counts.
func (r *Receiver) Metrics(n int, err error) { count(r.acceptedData, r.refusedData, n, err) }

// count adds n to ok and failed, split by err.
func count(ok, failed prometheus.Counter, n int, err error) {
	lost := 0
	var rejected *RejectedError
	switch {
	case errors.As(err, &rejected):
		lost = min(rejected.Count, n)
	case err != nil:
		lost = n
	}
	ok.Add(float64(n - lost))
	failed.Add(float64(lost))
}

// RejectedError is returned by a store that stored a request except for some
// spans or records that it cannot store. Clients must not send them again.
type RejectedError struct {
	Count  int    // number of spans or records that were not stored
	Reason string // error of the last one
}

// Error implements error.
func (e *RejectedError) Error() string {
	return fmt.Sprintf("%d rejected: %s", e.Count, e.Reason)
}

// Bad counts a request that could not be decoded. The reason is "malformed",
// "oversized", "content_type" or, if it may be sent again, "busy".
func (r *Receiver) Bad(reason string) { r.bad.WithLabelValues(reason).Inc() }

// ErrBusy is returned if the maximum number of requests wait for a store.
var ErrBusy = errors.New("too many requests wait for the store; send again later")

// Exporter holds the counters of a store and signal. It bounds the requests that
// wait for the store, each of which holds its decoded data in memory.
type Exporter struct {
	sent, failed prometheus.Counter
	waiting      prometheus.Gauge
	slots        chan struct{}
}

// Traces returns the exporter of a store of spans. At most capacity requests are
// written or wait.
func (m *Metrics) Traces(exporter string, capacity int) *Exporter {
	return m.exporter(exporter, "traces", capacity, m.sentSpans, m.failedSpans)
}

// Logs returns the exporter of a store of log records. At most capacity requests
// are written or wait.
func (m *Metrics) Logs(exporter string, capacity int) *Exporter {
	return m.exporter(exporter, "logs", capacity, m.sentLogs, m.failedLogs)
}

// Data returns the exporter of a store of metrics. At most capacity requests are
// written or wait.
func (m *Metrics) Data(exporter string, capacity int) *Exporter {
	return m.exporter(exporter, "metrics", capacity, m.sentData, m.failedData)
}

func (m *Metrics) exporter(name, signal string, capacity int, sent, failed *prometheus.CounterVec) *Exporter {
	m.queueCapacity.WithLabelValues(name, signal).Set(float64(capacity))
	return &Exporter{
		sent:    sent.WithLabelValues(name),
		failed:  failed.WithLabelValues(name),
		waiting: m.queueSize.WithLabelValues(name, signal),
		slots:   make(chan struct{}, capacity),
	}
}

// Export runs write, which stores n spans or records, and counts its result. It
// returns ErrBusy if the exporter is at its capacity.
func (e *Exporter) Export(n int, write func() error) error {
	select {
	case e.slots <- struct{}{}:
	default:
		e.failed.Add(float64(n))
		return ErrBusy
	}
	e.waiting.Inc()
	defer func() {
		e.waiting.Dec()
		<-e.slots
	}()
	err := write()
	count(e.sent, e.failed, n, err)
	return err
}
