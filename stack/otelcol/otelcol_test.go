package otelcol_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tenhop/tenhop/stack/otelcol"
)

func TestExporterCountsAndBounds(t *testing.T) {
	reg := prometheus.NewRegistry()
	e := otelcol.New(reg).Traces("tracestore", 1)
	full := errors.New("disk full")
	err := e.Export(3, func() error {
		// One is at work, and no other may wait.
		if err := e.Export(5, func() error { return nil }); !errors.Is(err, otelcol.ErrBusy) {
			t.Errorf("second: %v", err)
		}
		want := `
# HELP otelcol_exporter_queue_size Requests that wait for their store or are being written.
# TYPE otelcol_exporter_queue_size gauge
otelcol_exporter_queue_size{data_type="traces",exporter="tracestore"} 1
`
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "otelcol_exporter_queue_size"); err != nil {
			t.Error(err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := e.Export(7, func() error { return full }); !errors.Is(err, full) {
		t.Error(err)
	}
	want := `
# HELP otelcol_exporter_queue_capacity Requests that may wait; those beyond are refused.
# TYPE otelcol_exporter_queue_capacity gauge
otelcol_exporter_queue_capacity{data_type="traces",exporter="tracestore"} 1
# HELP otelcol_exporter_queue_size Requests that wait for their store or are being written.
# TYPE otelcol_exporter_queue_size gauge
otelcol_exporter_queue_size{data_type="traces",exporter="tracestore"} 0
# HELP otelcol_exporter_send_failed_spans Spans that their store did not take.
# TYPE otelcol_exporter_send_failed_spans counter
otelcol_exporter_send_failed_spans{exporter="tracestore"} 12
# HELP otelcol_exporter_sent_spans Spans written to their store.
# TYPE otelcol_exporter_sent_spans counter
otelcol_exporter_sent_spans{exporter="tracestore"} 3
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "otelcol_exporter_queue_capacity", "otelcol_exporter_queue_size",
		"otelcol_exporter_send_failed_spans", "otelcol_exporter_sent_spans"); err != nil {
		t.Error(err)
	}
}

// A store that takes all but two of ten records counts eight and two.
func TestRejectedRecordsAreCountedApart(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := otelcol.New(reg)
	err := m.Logs("logstore", 1).Export(10, func() error { return &otelcol.RejectedError{Count: 2, Reason: "too long"} })
	var rejected *otelcol.RejectedError
	if !errors.As(err, &rejected) || rejected.Count != 2 {
		t.Fatal(err)
	}
	m.Receiver("otlp", "grpc").Logs(10, err)
	want := `
# HELP otelcol_exporter_send_failed_log_records Log records that their store did not take.
# TYPE otelcol_exporter_send_failed_log_records counter
otelcol_exporter_send_failed_log_records{exporter="logstore"} 2
# HELP otelcol_exporter_sent_log_records Log records written to their store.
# TYPE otelcol_exporter_sent_log_records counter
otelcol_exporter_sent_log_records{exporter="logstore"} 8
# HELP otelcol_receiver_accepted_log_records Log records that a receiver took in and the pipeline stored.
# TYPE otelcol_receiver_accepted_log_records counter
otelcol_receiver_accepted_log_records{receiver="otlp",transport="grpc"} 8
# HELP otelcol_receiver_refused_log_records Log records that a receiver decoded and the pipeline could not take.
# TYPE otelcol_receiver_refused_log_records counter
otelcol_receiver_refused_log_records{receiver="otlp",transport="grpc"} 2
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "otelcol_exporter_send_failed_log_records",
		"otelcol_exporter_sent_log_records", "otelcol_receiver_accepted_log_records", "otelcol_receiver_refused_log_records"); err != nil {
		t.Error(err)
	}
}
