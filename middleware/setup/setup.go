// Package setup starts OpenTelemetry for a service that does not configure it
// itself. Start reads the standard OTEL_* variables and returns a tracer provider
// with OTLP exporters, a Prometheus registry and a logger. Shutdown exports the
// remaining data.
//
//	rt, err := setup.Start(ctx, "payment")
//	defer rt.Shutdown(context.WithoutCancel(ctx))
//	handler := httpmw.Handler(mux, httpmw.WithTelemetry(rt.Telemetry))
//
// A collector that is down, slow or refuses data never blocks a request. Spans and
// log lines are queued. They are dropped when the queue is full, and counted in
// tenhop_spans_dropped_total and tenhop_log_records_dropped_total.
package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/internal/wire"
)

type config struct {
	version   string
	logs      io.Writer
	registry  *prometheus.Registry
	hop       []hop.Option
	setGlobal bool
	instance  string
	noTraces  bool
}

// Option configures Start.
type Option func(*config)

// WithVersion sets service.version.
func WithVersion(v string) Option { return func(c *config) { c.version = v } }

// WithLogWriter sets the destination of log lines. The default is standard output.
func WithLogWriter(w io.Writer) Option { return func(c *config) { c.logs = w } }

// WithRegistry sets the Prometheus registry. The default is a new one. Start adds the Go
// and process collectors.
func WithRegistry(r *prometheus.Registry) Option { return func(c *config) { c.registry = r } }

// WithHopOptions passes options to hop.New.
func WithHopOptions(opts ...hop.Option) Option {
	return func(c *config) { c.hop = append(c.hop, opts...) }
}

// WithGlobal also sets OpenTelemetry's global tracer provider and propagator, for
// libraries that use them.
func WithGlobal() Option { return func(c *config) { c.setGlobal = true } }

// WithInstance sets service.instance.id, which identifies a replica.
func WithInstance(id string) Option { return func(c *config) { c.instance = id } }

// WithoutTraces starts metrics and logs only, for a service that is traced by other
// means.
func WithoutTraces() Option { return func(c *config) { c.noTraces = true } }

// Runtime is the started telemetry of a service.
type Runtime struct {
	Telemetry      *hop.Telemetry
	TracerProvider *sdktrace.TracerProvider
	Registry       *prometheus.Registry
	Logger         zerolog.Logger

	shutdown []func(context.Context) error
	stopped  context.Context // ends with Shutdown, and every export with it
	stop     context.CancelFunc
	noTraces bool
	warnings exportWarnings
}

// Start starts the telemetry of a service. OTEL_SERVICE_NAME overrides the name.
// OTEL_SDK_DISABLED=true disables all exports; the trace context of callers is passed
// on. Start returns an error for an invalid option or
// environment variable.
func Start(ctx context.Context, service string, opts ...Option) (*Runtime, error) {
	c := config{logs: os.Stdout}
	for _, o := range opts {
		if o == nil {
			return nil, errors.New("setup: nil option")
		}
		o(&c)
	}
	if err := checkEnvironment(); err != nil {
		return nil, err
	}
	propagator, err := propagators()
	if err != nil {
		return nil, err
	}
	if name := wire.ServiceName(); name != "" {
		service = name
	}
	if service == "" {
		return nil, errors.New("setup: no service name: pass one or set OTEL_SERVICE_NAME")
	}
	if c.registry == nil {
		c.registry = prometheus.NewRegistry()
	}
	rt := &Runtime{Registry: c.registry}
	rt.stopped, rt.stop = context.WithCancel(context.Background())
	owned := prometheus.WrapRegistererWith(prometheus.Labels{"service_name": service}, c.registry)
	for _, col := range []prometheus.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := owned.Register(col); err != nil && !errors.As(err, &prometheus.AlreadyRegisteredError{}) && !has(c.registry, col) {
			return nil, fmt.Errorf("setup: %w", err)
		}
	}
	res, err := newResource(ctx, service, c.version, c.instance)
	if err != nil {
		return nil, err
	}
	if err := rt.startTraces(ctx, res, owned, c.noTraces); err != nil {
		return nil, err
	}
	writer, err := rt.startLogs(ctx, res, c.logs, owned)
	if err != nil {
		return nil, errors.Join(err, rt.Shutdown(ctx))
	}
	if err := rt.startMetrics(ctx, res); err != nil {
		return nil, errors.Join(err, rt.Shutdown(ctx))
	}
	rt.Logger = zerolog.New(writer).Hook(timestamp{})
	options := []hop.Option{
		hop.WithServiceName(service), hop.WithTracerProvider(rt.tracers()),
		hop.WithRegistry(c.registry), hop.WithZerolog(rt.Logger),
	}
	if propagator != nil {
		options = append(options, hop.WithPropagator(propagator))
	} else {
		propagator = propagation.TraceContext{}
	}
	rt.Telemetry, err = hop.New(append(options, c.hop...)...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("setup: %w", err), rt.Shutdown(ctx))
	}
	rt.Logger = *rt.Telemetry.Zerolog()
	rt.warnings.logger.Store(&rt.Logger)
	if c.setGlobal {
		otel.SetTracerProvider(rt.tracers())
		otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagator, propagation.Baggage{}))
	}
	return rt, nil
}

// has reports whether a registry has a collector without the label service_name, as the
// default registry has those of Go and the process.
func has(r *prometheus.Registry, c prometheus.Collector) bool {
	err := r.Register(c)
	if err == nil {
		r.Unregister(c)
	}
	return errors.As(err, &prometheus.AlreadyRegisteredError{})
}

// tracers returns the tracer provider that the middleware uses. Without traces it
// passes the caller's trace context on, with its sampling decision.
func (rt *Runtime) tracers() trace.TracerProvider {
	switch {
	case disabled():
		return noop.NewTracerProvider()
	case rt.noTraces:
		return passthrough{roots: rt.TracerProvider}
	}
	return rt.TracerProvider
}

func newResource(ctx context.Context, service, version, instance string) (*resource.Resource, error) {
	attrs := []attribute.KeyValue{attribute.String("service.name", service)}
	if version != "" {
		attrs = append(attrs, attribute.String("service.version", version))
	}
	if instance != "" {
		attrs = append(attrs, attribute.String("service.instance.id", instance))
	}
	own, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(), resource.WithProcessPID(),
		resource.WithAttributes(attrs...), resource.WithFromEnv()) // the operator's word counts
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("setup: resource: %w (see OTEL_RESOURCE_ATTRIBUTES)", err)
	}
	return own, nil
}

func (rt *Runtime) startTraces(ctx context.Context, res *resource.Resource, reg prometheus.Registerer, off bool) error {
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(res)} // the sampler comes from OTEL_TRACES_SAMPLER
	switch kind := envOr("OTEL_TRACES_EXPORTER", "otlp"); {
	case off || disabled() || kind == "none":
		rt.noTraces = true
		options = append(options, sdktrace.WithSampler(sdktrace.NeverSample()))
	case kind == "otlp":
		exp, err := otlpTraces(ctx)
		if err != nil {
			return fmt.Errorf("setup: OTLP trace exporter: %w", err)
		}
		q := newSpanQueue(exp, reg, &rt.warnings, rt.stopped)
		options = append(options, sdktrace.WithSpanProcessor(q))
	default:
		return fmt.Errorf("setup: OTEL_TRACES_EXPORTER=%s is not supported; use otlp or none", kind)
	}
	rt.TracerProvider = sdktrace.NewTracerProvider(options...)
	rt.shutdown = append(rt.shutdown, rt.TracerProvider.Shutdown)
	return nil
}

// flushWithin is the time limit of a shutdown whose context has no deadline.
const flushWithin = 5 * time.Second

// Shutdown exports the queued data and stops the exporters.
func (rt *Runtime) Shutdown(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, flushWithin)
		defer cancel()
	}
	rt.warnings.closing.Store(true)
	var errs []error
	for i := len(rt.shutdown) - 1; i >= 0; i-- {
		errs = append(errs, rt.shutdown[i](ctx))
	}
	rt.shutdown = nil
	rt.stop()
	errs = append(errs, rt.warnings.takeLast())
	return errors.Join(errs...)
}

func envOr(key, fallback string) string {
	if v := os.Getenv(key); v != "" {
		return v
	}
	return fallback
}
