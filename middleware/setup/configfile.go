package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// FileSDK is the OpenTelemetry SDK of a configuration file.
type FileSDK struct {
	ServiceName    string // service.name of the file's resource
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider // of the program's own instruments
	LoggerProvider log.LoggerProvider   // nil exports no log lines
	Propagators    []string             // names as in OTEL_PROPAGATORS
	Shutdown       func(context.Context) error
}

// WithConfigFile honours OTEL_CONFIG_FILE: load builds the SDK from the file. It is
// otelconfig.Load of github.com/tenhop/tenhop/middleware/setup/otelconfig, a module of its
// own, since otelconf is not at version 1 and brings a YAML parser.
//
// While the variable is set, the file decides about spans, log records and propagators, and
// no other OTEL_* variable is read, as the specification requires. The middleware's metrics
// stay in the Prometheus registry: the file's readers export the instruments of
// Runtime.MeterProvider only.
func WithConfigFile(load func(ctx context.Context, file string) (FileSDK, error)) Option {
	return func(c *config) { c.load = load }
}

// configFile returns OTEL_CONFIG_FILE if it is honoured.
func (c *config) configFile() string {
	if c.load == nil {
		return ""
	}
	return getenv("OTEL_CONFIG_FILE")
}

// startFile starts what the file says.
func (rt *Runtime) startFile(ctx context.Context, file string, c *config) (started, error) {
	sdk, err := c.load(ctx, file)
	if err != nil {
		return started{}, fmt.Errorf("setup: OTEL_CONFIG_FILE=%s: %w", file, err)
	}
	rt.TracerProvider = sdk.TracerProvider
	if sdk.MeterProvider != nil {
		rt.MeterProvider = sdk.MeterProvider
	}
	if sdk.Shutdown != nil {
		rt.shutdown = append(rt.shutdown, func(ctx context.Context) error {
			ctx, cancel := rt.warnings.bounded(ctx)
			defer cancel()
			return sdk.Shutdown(ctx)
		})
	}
	switch {
	case sdk.ServiceName == "":
		err = errors.New("the resource has no service.name; add it to resource.attributes")
	case sdk.TracerProvider == nil:
		err = errors.New("the loader returned no tracer provider")
	case len(sdk.Propagators) > 0:
		err = propagatorNames(strings.Join(sdk.Propagators, ","))
	}
	if err != nil {
		return started{}, fmt.Errorf("setup: OTEL_CONFIG_FILE=%s: %w", file, err)
	}
	s := started{service: sdk.ServiceName, logs: c.logs, propagators: sdk.Propagators, warn: true}
	if sdk.LoggerProvider != nil {
		s.logs = io.MultiWriter(c.logs, newLogBridge(sdk.LoggerProvider))
	}
	return s, nil
}
