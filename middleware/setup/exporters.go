package setup

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	prombridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
)

// otlpTraces returns the exporter for OTEL_EXPORTER_OTLP_PROTOCOL. The exporters read
// endpoint, headers, timeout and certificates from the environment.
func otlpTraces(ctx context.Context) (*otlptrace.Exporter, error) {
	http, err := overHTTP("TRACES")
	switch {
	case err != nil:
		return nil, err
	case http:
		return otlptracehttp.New(ctx)
	}
	return otlptracegrpc.New(ctx)
}

// overHTTP reports whether the protocol is http/protobuf instead of grpc, the default.
// All signals share the protocol, as they share the endpoint.
func overHTTP(signal string) (bool, error) {
	switch p := envOr("OTEL_EXPORTER_OTLP_"+signal+"_PROTOCOL", envOr("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")); p {
	case "grpc":
		return false, nil
	case "http/protobuf":
		return true, nil
	default:
		return false, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL=%s is not supported; use grpc or http/protobuf", p)
	}
}

func otlpLogs(ctx context.Context) (sdklog.Exporter, error) {
	http, err := overHTTP("LOGS")
	switch {
	case err != nil:
		return nil, err
	case http:
		return otlploghttp.New(ctx)
	}
	return otlploggrpc.New(ctx)
}

func otlpMetrics(ctx context.Context) (metric.Exporter, error) {
	http, err := overHTTP("METRICS")
	switch {
	case err != nil:
		return nil, err
	case http:
		return otlpmetrichttp.New(ctx)
	}
	return otlpmetricgrpc.New(ctx)
}

// startLogs also exports the log lines over OTLP when OTEL_LOGS_EXPORTER=otlp.
func (rt *Runtime) startLogs(ctx context.Context, res *resource.Resource, to io.Writer, reg prometheus.Registerer) (io.Writer, error) {
	switch kind := envOr("OTEL_LOGS_EXPORTER", "none"); {
	case kind == "none", kind == "otlp" && disabled():
		return to, nil
	case kind == "otlp":
		exp, err := otlpLogs(ctx)
		if err != nil {
			return nil, fmt.Errorf("setup: OTLP log exporter: %w", err)
		}
		p := sdklog.NewLoggerProvider(sdklog.WithResource(res), sdklog.WithProcessor(newLogQueue(exp, reg, rt.stopped)))
		rt.shutdown = append(rt.shutdown, p.Shutdown)
		return io.MultiWriter(to, newLogBridge(p)), nil
	default:
		return nil, fmt.Errorf("setup: OTEL_LOGS_EXPORTER=%s is not supported; use otlp or none", kind)
	}
}

// startMetrics also exports the Prometheus registry over OTLP when
// OTEL_METRICS_EXPORTER=otlp. /metrics is served all the same.
func (rt *Runtime) startMetrics(ctx context.Context, res *resource.Resource) error {
	switch kind := os.Getenv("OTEL_METRICS_EXPORTER"); {
	case kind == "", kind == "none", kind == "prometheus", kind == "otlp" && disabled():
		return nil
	case kind == "otlp":
		exp, err := otlpMetrics(ctx)
		if err != nil {
			return fmt.Errorf("setup: OTLP metric exporter: %w", err)
		}
		reader := metric.NewPeriodicReader(exp, metric.WithProducer(prombridge.NewMetricProducer(prombridge.WithGatherer(classic(rt.Registry)))))
		p := metric.NewMeterProvider(metric.WithResource(res), metric.WithReader(reader))
		rt.shutdown = append(rt.shutdown, p.Shutdown)
		return nil
	default:
		return fmt.Errorf("setup: OTEL_METRICS_EXPORTER=%s is not supported; use otlp, prometheus or none", kind)
	}
}
