package otlpreceiver

import (
	"context"
	"errors"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/tenhop/tenhop/stack/otelcol"
)

// consumeTraces passes spans to a consumer and counts them. Rejected spans are reported
// in resp as a partial success; any other error is returned.
func consumeTraces(ctx context.Context, consume func(context.Context, ptrace.Traces) error, count *otelcol.Receiver,
	td ptrace.Traces, resp ptraceotlp.ExportResponse,
) error {
	n := td.SpanCount()
	err := consume(ctx, td)
	count.Spans(n, err)
	var rejected *otelcol.RejectedError
	if !errors.As(err, &rejected) {
		return err
	}
	resp.PartialSuccess().SetRejectedSpans(int64(rejected.Count))
	resp.PartialSuccess().SetErrorMessage(rejected.Reason)
	return nil
}

// consumeMetrics passes data points to a consumer and counts them. Rejected points are
// reported in resp as a partial success; any other error is returned.
func consumeMetrics(ctx context.Context, consume func(context.Context, pmetric.Metrics) error, count *otelcol.Receiver,
	md pmetric.Metrics, resp pmetricotlp.ExportResponse,
) error {
	n := md.DataPointCount()
	err := consume(ctx, md)
	count.Metrics(n, err)
	var rejected *otelcol.RejectedError
	if !errors.As(err, &rejected) {
		return err
	}
	resp.PartialSuccess().SetRejectedDataPoints(int64(rejected.Count))
	resp.PartialSuccess().SetErrorMessage(rejected.Reason)
	return nil
}

// consumeLogs passes log records to a consumer and counts them. Rejected records are
// reported in resp as a partial success; any other error is returned.
func consumeLogs(ctx context.Context, consume func(context.Context, plog.Logs) error, count *otelcol.Receiver,
	ld plog.Logs, resp plogotlp.ExportResponse,
) error {
	n := ld.LogRecordCount()
	err := consume(ctx, ld)
	count.Logs(n, err)
	var rejected *otelcol.RejectedError
	if !errors.As(err, &rejected) {
		return err
	}
	resp.PartialSuccess().SetRejectedLogRecords(int64(rejected.Count))
	resp.PartialSuccess().SetErrorMessage(rejected.Reason)
	return nil
}
