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
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/internal/environ"
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
// and process collectors that the registry does not have yet.
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
	TracerProvider trace.TracerProvider // the SDK's, or a no-op without spans
	Registry       *prometheus.Registry
	Logger         zerolog.Logger

	shutdown []func(context.Context) error
	warnings *exportWarnings
}

// Start starts the telemetry of a service. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
// override the name, the version and the instance. Start returns an error for an invalid
// option, and for an environment variable of the OpenTelemetry specification whose value it
// does not honour.
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
	service = environ.ServiceName(service)
	if service == "" {
		return nil, errors.New("setup: no service name: pass one or set OTEL_SERVICE_NAME")
	}
	if c.registry == nil {
		c.registry = prometheus.NewRegistry()
	}
	rt := &Runtime{Registry: c.registry, warnings: newExportWarnings()}
	owned := prometheus.WrapRegistererWith(prometheus.Labels{"service_name": service}, c.registry)
	if err := registerProcess(owned, c.registry); err != nil {
		return nil, err
	}
	res, err := newResource(ctx, service, c.version, c.instance)
	if err != nil {
		return nil, err
	}
	if err := rt.startTraces(ctx, res, owned, &c); err != nil {
		return nil, err
	}
	writer, err := rt.startLogs(ctx, res, c.logs, owned)
	if err != nil {
		return nil, errors.Join(err, rt.Shutdown(ctx))
	}
	if err := rt.startMetrics(ctx, res, c.logs); err != nil {
		return nil, errors.Join(err, rt.Shutdown(ctx))
	}
	all, traceContext := propagators()
	rt.Logger = zerolog.New(writer).Hook(timestamp{})
	rt.Telemetry, err = hop.New(append([]hop.Option{
		hop.WithServiceName(service), hop.WithTracerProvider(rt.TracerProvider), hop.WithPropagator(traceContext),
		hop.WithRegistry(c.registry), hop.WithZerolog(rt.Logger),
	}, c.hop...)...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("setup: %w", err), rt.Shutdown(ctx))
	}
	rt.Logger = *rt.Telemetry.Zerolog()
	if level := os.Getenv("OTEL_LOG_LEVEL"); level != "none" && level != "error" {
		own := rt.Logger.Output(c.logs) // a line about log records that are lost is not exported itself
		rt.warnings.logger.Store(&own)
	}
	if c.setGlobal {
		otel.SetTracerProvider(rt.TracerProvider)
		otel.SetTextMapPropagator(hop.NestedPropagator(all))
	}
	return rt, nil
}

// registerProcess registers the Go and process collectors, unless the registry has their
// families already, as client_golang's default registry does.
func registerProcess(owned prometheus.Registerer, registry prometheus.Gatherer) error {
	have := map[string]bool{}
	families, _ := registry.Gather() // another collector's error is not Start's
	for _, f := range families {
		have[f.GetName()] = true
	}
	for family, c := range map[string]prometheus.Collector{
		"go_goroutines":             collectors.NewGoCollector(),
		"process_cpu_seconds_total": collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if have[family] {
			continue
		}
		if err := owned.Register(c); err != nil && !errors.As(err, &prometheus.AlreadyRegisteredError{}) {
			return fmt.Errorf("setup: %w", err)
		}
	}
	return nil
}

// startTraces sets rt.TracerProvider. Without an exporter, a caller's trace context reaches
// the next service unchanged.
func (rt *Runtime) startTraces(ctx context.Context, res *resource.Resource, reg prometheus.Registerer, c *config) error {
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(res)} // the sampler comes from OTEL_TRACES_SAMPLER
	for _, kind := range selected("OTEL_TRACES_EXPORTER", "otlp") {
		switch {
		case c.noTraces || sdkDisabled():
			rt.TracerProvider = noop.NewTracerProvider()
			return nil
		case kind == "none":
			p := sdktrace.NewTracerProvider(options...)
			rt.TracerProvider, rt.shutdown = passThrough{root: p}, append(rt.shutdown, p.Shutdown)
			return nil
		case kind == "console":
			exp, err := stdouttrace.New(stdouttrace.WithWriter(c.logs))
			if err != nil {
				return fmt.Errorf("setup: console trace exporter: %w", err)
			}
			options = append(options, sdktrace.WithBatcher(exp))
		default:
			exp, err := otlpTraces(ctx)
			if err != nil {
				return fmt.Errorf("setup: OTLP trace exporter: %w", err)
			}
			options = append(options, sdktrace.WithSpanProcessor(newSpanQueue(exp, reg, rt.warnings)))
		}
	}
	p := sdktrace.NewTracerProvider(options...)
	rt.TracerProvider = p
	rt.shutdown = append(rt.shutdown, p.Shutdown)
	return nil
}

// flushWithin is the time limit of a shutdown whose context has no deadline.
const flushWithin = 5 * time.Second

// Shutdown exports the queued data and stops the exporters, all signals at the same time.
// It returns the error of the last export of each signal, so that a short job learns that
// its data was refused. When ctx ends, exports in flight are cut off, and no goroutine of
// theirs stays behind.
func (rt *Runtime) Shutdown(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, flushWithin)
		defer cancel()
	}
	rt.warnings.closing.Store(true)
	// The providers get a context without end: with one that has ended they would not
	// stop their goroutines.
	ended := make(chan error, len(rt.shutdown))
	for _, shutdown := range rt.shutdown {
		go func() { ended <- shutdown(context.WithoutCancel(ctx)) }()
	}
	var errs []error
	for range rt.shutdown {
		select {
		case err := <-ended:
			errs = append(errs, err)
			continue
		case <-ctx.Done():
			errs = append(errs, fmt.Errorf("setup: shutdown: %w", context.Cause(ctx)))
		}
		break
	}
	rt.warnings.cutOff()
	rt.shutdown = nil
	return errors.Join(append(errs, rt.warnings.final())...)
}

func envOr(key, fallback string) string {
	if v := os.Getenv(key); v != "" {
		return v
	}
	return fallback
}
