package setup

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// startLogs also exports the log lines over OTLP when OTEL_LOGS_EXPORTER=otlp.
func (rt *Runtime) startLogs(ctx context.Context, res *resource.Resource, to io.Writer, reg prometheus.Registerer) (io.Writer, error) {
	if !slices.Contains(selected("OTEL_LOGS_EXPORTER", "none"), "otlp") || truth("OTEL_SDK_DISABLED") {
		return to, nil // they are on the console in any case
	}
	exp, err := otlpLogs(ctx)
	if err != nil {
		return nil, fmt.Errorf("setup: OTLP log exporter: %w", err)
	}
	q := newLogQueue(exp, reg, rt.warnings)
	p := sdklog.NewLoggerProvider(sdklog.WithResource(res), sdklog.WithProcessor(q),
		sdklog.WithAttributeCountLimit(number(sdktrace.DefaultAttributeCountLimit, "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT")),
		sdklog.WithAttributeValueLengthLimit(number(-1, "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")))
	rt.shutdown = append(rt.shutdown, p.Shutdown)
	return io.MultiWriter(to, newLogBridge(p)), nil
}

// startMetrics also pushes the Prometheus registry when OTEL_METRICS_EXPORTER is otlp or
// console. /metrics is served all the same.
func (rt *Runtime) startMetrics(ctx context.Context, res *resource.Resource, console io.Writer, reg prometheus.Registerer) error {
	if truth("OTEL_SDK_DISABLED") {
		return nil
	}
	options := []metric.Option{metric.WithResource(res)}
	for _, kind := range selected("OTEL_METRICS_EXPORTER", "none") {
		var exp metric.Exporter
		var err error
		signal := "metrics"
		switch kind {
		case "otlp":
			exp, err = otlpMetrics(ctx)
		case "console":
			exp, err = stdoutmetric.New(stdoutmetric.WithWriter(console))
			signal = consoleMetrics
		default:
			continue
		}
		if err != nil {
			return fmt.Errorf("setup: %s metric exporter: %w", kind, err)
		}
		producer := newPushed(rt.Gatherer)
		if producer.delta != nil {
			dropped := registered(reg, prometheus.NewCounter(prometheus.CounterOpts{
				Name: "tenhop_pushed_series_dropped_total", Help: "Series that were left out of a push as deltas: there are too many.",
			}))
			producer.delta.over = func(n int) { dropped.Add(float64(n)) }
		}
		options = append(options, metric.WithReader(metric.NewPeriodicReader(
			&countedMetrics{Exporter: exp, exportWarnings: rt.warnings, signal: signal, delta: producer.delta}, metric.WithProducer(producer),
			metric.WithInterval(duration("OTEL_METRIC_EXPORT_INTERVAL", time.Minute)), metric.WithTimeout(timeout("OTEL_METRIC_EXPORT_TIMEOUT", 30*time.Second)))))
	}
	if len(options) == 1 {
		return nil
	}
	p := metric.NewMeterProvider(options...)
	rt.shutdown = append(rt.shutdown, p.Shutdown)
	return nil
}

// newPushed returns the producer of a push, as the environment shapes it.
func newPushed(registry prometheus.Gatherer) *pushed {
	p := &pushed{registry: registry, explicit: enum("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "") == "explicit_bucket_histogram"}
	if t := enum("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cumulative"); t != "cumulative" {
		p.delta = newDelta()
	}
	return p
}

// countedMetrics reports failed pushes.
type countedMetrics struct {
	metric.Exporter
	exportWarnings *exportWarnings
	signal         string
	delta          *delta // of the pushes; nil is cumulative temporality
}

// Export implements metric.Exporter.
func (e *countedMetrics) Export(ctx context.Context, m *metricdata.ResourceMetrics) error {
	ctx, cancel := e.exportWarnings.bounded(ctx)
	defer cancel()
	err := e.Exporter.Export(ctx, m)
	if _, partial := rejected(err); e.delta != nil && (err == nil || partial) {
		e.delta.arrived()
	}
	if err != nil {
		return e.exportWarnings.failed(e.signal, 1, err)
	}
	return nil
}

// consoleSpans reports failed writes of spans.
type consoleSpans struct {
	sdktrace.SpanExporter
	exportWarnings *exportWarnings
}

// ExportSpans implements sdktrace.SpanExporter.
func (e consoleSpans) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := e.SpanExporter.ExportSpans(ctx, spans); err != nil {
		return e.exportWarnings.failed(consoleTraces, len(spans), err)
	}
	return nil
}
