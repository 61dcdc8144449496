package setup

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

// otlpTraces returns the client for OTEL_EXPORTER_OTLP_PROTOCOL. It reads
// endpoint, headers, timeout and certificates from the environment.
func otlpTraces() otlptrace.Client {
	if overHTTP("TRACES") {
		return otlptracehttp.NewClient()
	}
	return otlptracegrpc.NewClient()
}

// overHTTP reports whether the protocol is http/protobuf instead of grpc, the default.
// checkEnvironment has checked the value.
func overHTTP(signal string) bool {
	return envOr("OTEL_EXPORTER_OTLP_"+signal+"_PROTOCOL", envOr("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")) == "http/protobuf"
}

func otlpLogs(ctx context.Context) (sdklog.Exporter, error) {
	if overHTTP("LOGS") {
		return otlploghttp.New(ctx)
	}
	return otlploggrpc.New(ctx)
}

func otlpMetrics(ctx context.Context) (metric.Exporter, error) {
	if overHTTP("METRICS") {
		return otlpmetrichttp.New(ctx)
	}
	return otlpmetricgrpc.New(ctx)
}

// startLogs also exports the log lines over OTLP when OTEL_LOGS_EXPORTER=otlp.
func (rt *Runtime) startLogs(ctx context.Context, res *resource.Resource, to io.Writer, reg prometheus.Registerer) (io.Writer, error) {
	if !slices.Contains(selected("OTEL_LOGS_EXPORTER", "none"), "otlp") || sdkDisabled() {
		return to, nil // they are on the console in any case
	}
	exp, err := otlpLogs(ctx)
	if err != nil {
		return nil, fmt.Errorf("setup: OTLP log exporter: %w", err)
	}
	q := newLogQueue(exp, reg, rt.warnings)
	p := sdklog.NewLoggerProvider(sdklog.WithResource(res), sdklog.WithProcessor(q))
	rt.shutdown = append(rt.shutdown, p.Shutdown)
	return io.MultiWriter(to, newLogBridge(p)), nil
}

// startMetrics also pushes the Prometheus registry when OTEL_METRICS_EXPORTER is otlp or
// console. /metrics is served all the same.
func (rt *Runtime) startMetrics(ctx context.Context, res *resource.Resource, console io.Writer) error {
	if sdkDisabled() {
		return nil
	}
	options := []metric.Option{metric.WithResource(res)}
	for _, kind := range selected("OTEL_METRICS_EXPORTER", "none") {
		var exp metric.Exporter
		var err error
		switch kind {
		case "otlp":
			exp, err = otlpMetrics(ctx)
		case "console":
			exp, err = stdoutmetric.New(stdoutmetric.WithWriter(console))
		default:
			continue
		}
		if err != nil {
			return fmt.Errorf("setup: %s metric exporter: %w", kind, err)
		}
		options = append(options, metric.WithReader(metric.NewPeriodicReader(
			&countedMetrics{Exporter: exp, exportWarnings: rt.warnings}, metric.WithProducer(newPushed(rt.Registry)))))
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
	p := &pushed{registry: registry, explicit: os.Getenv("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION") == "explicit_bucket_histogram"}
	if t := envOr("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cumulative"); t != "cumulative" {
		p.delta = newDelta()
	}
	return p
}

// countedMetrics reports failed pushes.
type countedMetrics struct {
	metric.Exporter
	exportWarnings *exportWarnings
}

// Export implements metric.Exporter.
func (e *countedMetrics) Export(ctx context.Context, m *metricdata.ResourceMetrics) error {
	ctx, cancel := e.exportWarnings.bounded(ctx)
	defer cancel()
	if err := e.Exporter.Export(ctx, m); err != nil {
		return e.exportWarnings.failed("metrics", 1, err)
	}
	return nil
}
