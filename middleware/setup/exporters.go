package setup

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	prombridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
)

// otlpTraces makes the exporter that OTEL_EXPORTER_OTLP_PROTOCOL asks for. The
// exporters read endpoint, headers, timeout and certificates themselves.
func otlpTraces(ctx context.Context) (*otlptrace.Exporter, error) {
	protocol := envOr("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", envOr("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"))
	switch protocol {
	case "grpc":
		return otlptracegrpc.New(ctx)
	case "http/protobuf":
		return otlptracehttp.New(ctx)
	}
	return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL=%s is not supported; use grpc or http/protobuf", protocol)
}

// startLogs ships the log lines over OTLP as well when OTEL_LOGS_EXPORTER=otlp.
func (rt *Runtime) startLogs(ctx context.Context, res *resource.Resource, to io.Writer, reg prometheus.Registerer) (io.Writer, error) {
	switch kind := envOr("OTEL_LOGS_EXPORTER", "none"); kind {
	case "none":
		return to, nil
	case "otlp":
		exp, err := otlploghttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("setup: OTLP log exporter: %w", err)
		}
		p := sdklog.NewLoggerProvider(sdklog.WithResource(res), sdklog.WithProcessor(newLogQueue(exp, reg)))
		rt.shutdown = append(rt.shutdown, p.Shutdown)
		return io.MultiWriter(to, newLogBridge(p)), nil
	default:
		return nil, fmt.Errorf("setup: OTEL_LOGS_EXPORTER=%s is not supported; use otlp or none", kind)
	}
}

// startMetrics pushes the Prometheus registry over OTLP as well when
// OTEL_METRICS_EXPORTER=otlp; /metrics goes on being served.
func (rt *Runtime) startMetrics(ctx context.Context, res *resource.Resource) error {
	switch kind := os.Getenv("OTEL_METRICS_EXPORTER"); kind {
	case "", "none", "prometheus":
		return nil
	case "otlp":
		exp, err := otlpmetrichttp.New(ctx)
		if err != nil {
			return fmt.Errorf("setup: OTLP metric exporter: %w", err)
		}
		reader := metric.NewPeriodicReader(exp, metric.WithProducer(prombridge.NewMetricProducer(prombridge.WithGatherer(rt.Registry))))
		p := metric.NewMeterProvider(metric.WithResource(res), metric.WithReader(reader))
		rt.shutdown = append(rt.shutdown, p.Shutdown)
		return nil
	default:
		return fmt.Errorf("setup: OTEL_METRICS_EXPORTER=%s is not supported; use otlp, prometheus or none", kind)
	}
}
