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
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/metric"
	noopmetric "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/internal/environ"
	"github.com/tenhop/tenhop/middleware/process"
)

type config struct {
	version   string
	logs      io.Writer
	registry  prometheus.Registerer
	gatherer  prometheus.Gatherer
	hop       []hop.Option
	setGlobal bool
	instance  string
	noTraces  bool
	sdkSpans  bool
	detectors []resource.Detector
	adminAddr string
	admin     []AdminOption
	load      func(ctx context.Context, file string) (FileSDK, error)
	noProcess bool
}

// Option configures Start.
type Option func(*config)

// WithVersion sets service.version. The default is the version of the main module in the
// program's build information.
func WithVersion(v string) Option { return func(c *config) { c.version = v } }

// WithLogWriter sets the destination of log lines. The default is standard output. nil
// writes none; OTEL_LOGS_EXPORTER=otlp exports them all the same.
func WithLogWriter(w io.Writer) Option {
	if w == nil {
		w = io.Discard
	}
	return func(c *config) { c.logs = w }
}

// WithRegistry sets the Prometheus registry. The default is a new one. Start adds the Go
// and process collectors that the registry does not have yet.
func WithRegistry(r *prometheus.Registry) Option {
	return func(c *config) {
		if c.registry, c.gatherer = nil, nil; r != nil {
			c.registry, c.gatherer = r, r
		}
	}
}

// WithRegisterer is WithRegistry for a registry of another type, such as that of a
// framework: metrics are registered with r, and served and pushed from g.
func WithRegisterer(r prometheus.Registerer, g prometheus.Gatherer) Option {
	return func(c *config) { c.registry, c.gatherer = r, g }
}

// WithHopOptions passes options to hop.New.
func WithHopOptions(opts ...hop.Option) Option {
	return func(c *config) { c.hop = append(c.hop, opts...) }
}

// WithGlobal also sets OpenTelemetry's global tracer provider and propagator, for
// libraries that use them.
func WithGlobal() Option { return func(c *config) { c.setGlobal = true } }

// WithInstance sets service.instance.id, which identifies a replica. The default is a
// random UUID of the process.
func WithInstance(id string) Option { return func(c *config) { c.instance = id } }

// WithDetectors adds the resource attributes that detectors find, such as those of a
// cloud. OTEL_RESOURCE_ATTRIBUTES and the attributes of other options win over them. A
// detector that fails is a warning in the log.
func WithDetectors(d ...resource.Detector) Option {
	return func(c *config) { c.detectors = append(c.detectors, d...) }
}

// WithoutTraces starts metrics and logs only, for a service that is traced by other
// means.
func WithoutTraces() Option { return func(c *config) { c.noTraces = true } }

// WithoutProcessSignals leaves out the metrics of package process: what tells causes inside
// the process apart.
func WithoutProcessSignals() Option { return func(c *config) { c.noProcess = true } }

// Runtime is the started telemetry of a service.
type Runtime struct {
	Telemetry      *hop.Telemetry
	TracerProvider trace.TracerProvider // see WithSDKSpans; a no-op without spans
	MeterProvider  metric.MeterProvider // of OTEL_CONFIG_FILE, else a no-op
	Registry       *prometheus.Registry // nil after WithRegisterer with another type
	Gatherer       prometheus.Gatherer  // of the metrics that are served and pushed
	Logger         zerolog.Logger
	Admin          *Admin // of WithAdmin, or nil

	mu        sync.Mutex
	shutdown  []func(context.Context) error
	warnings  *exportWarnings
	adminAddr string
	stop      sync.Mutex // held by Shutdown
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
	if c.registry == nil && c.gatherer == nil {
		r := prometheus.NewRegistry()
		c.registry, c.gatherer = r, r
	}
	if c.registry == nil || c.gatherer == nil {
		return nil, errors.New("setup: WithRegisterer: give both a registerer and a gatherer")
	}
	rt := &Runtime{Gatherer: c.gatherer, MeterProvider: noopmetric.NewMeterProvider(), warnings: newExportWarnings()}
	rt.Registry, _ = c.registry.(*prometheus.Registry)
	start := rt.startEnvironment
	if file := c.configFile(); file != "" {
		start = func(ctx context.Context, service string, c *config) (started, error) {
			return rt.startFile(ctx, file, c)
		}
	}
	s, err := start(ctx, service, &c)
	if err != nil {
		return nil, rt.abandon(ctx, err)
	}
	if err := rt.startProcess(c.owned(s.service), c.gatherer, !c.noProcess); err != nil {
		return nil, rt.abandon(ctx, err)
	}
	all, traceContext := propagators(s.propagators)
	rt.Logger = zerolog.New(s.logs).Hook(timestamp{})
	rt.Telemetry, err = hop.New(append([]hop.Option{
		hop.WithServiceName(s.service), hop.WithTracerProvider(rt.TracerProvider), hop.WithPropagator(traceContext),
		hop.WithRegisterer(c.registry, c.gatherer), hop.WithZerolog(rt.Logger),
	}, c.hop...)...)
	if err != nil {
		return nil, rt.abandon(ctx, fmt.Errorf("setup: %w", err))
	}
	rt.Logger = *rt.Telemetry.Zerolog()
	if s.warn {
		own := rt.Logger.Output(c.logs) // a line about log records that are lost is not exported itself
		rt.warnings.logger.Store(&own)
		for _, w := range s.warnings {
			own.Warn().Msg(w)
		}
	}
	if err := rt.startAdmin(ctx, &c); err != nil {
		return nil, rt.abandon(ctx, err)
	}
	if c.setGlobal {
		otel.SetTracerProvider(rt.TracerProvider)
		if c.configFile() != "" {
			otel.SetMeterProvider(rt.MeterProvider)
		}
		otel.SetTextMapPropagator(hop.NestedPropagator(all))
	}
	return rt, nil
}

// abandon ends a Start that failed. Nothing is worth a flush yet.
func (rt *Runtime) abandon(ctx context.Context, err error) error {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	_ = rt.Shutdown(ctx) // it returns that ctx has ended
	return err
}

// started is what the environment or a configuration file decided.
type started struct {
	service     string
	logs        io.Writer // of the log lines
	propagators []string
	warn        bool // log warnings
	warnings    []string
}

// startEnvironment starts what the OTEL_* variables say.
func (rt *Runtime) startEnvironment(ctx context.Context, service string, c *config) (started, error) {
	if err := checkEnvironment(c.adminAddr != ""); err != nil {
		return started{}, err
	}
	if service = environ.ServiceName(service); service == "" {
		return started{}, errors.New("setup: no service name: pass one or set OTEL_SERVICE_NAME")
	}
	s := started{service: service, propagators: selected("OTEL_PROPAGATORS", "tracecontext,baggage"), warnings: environmentWarnings()}
	level := enum("OTEL_LOG_LEVEL", "info")
	s.warn = level != "none" && level != "error"
	res, warning, err := newResource(ctx, service, c)
	if err != nil {
		return started{}, err
	}
	if warning != nil {
		s.warnings = append(s.warnings, "the resource lacks attributes: "+warning.Error())
	}
	if slices.Contains(selected("OTEL_TRACES_EXPORTER", "otlp"), "console") || slices.Contains(selected("OTEL_METRICS_EXPORTER", "none"), "console") {
		c.logs = zerolog.SyncWriter(c.logs) // the exporters write to it too
	}
	owned := c.owned(service)
	if err := rt.startTraces(ctx, res, owned, c); err != nil {
		return started{}, err
	}
	if s.logs, err = rt.startLogs(ctx, res, c.logs, owned); err != nil {
		return started{}, err
	}
	if err := startInfo(owned, c.gatherer, res); err != nil {
		return started{}, err
	}
	return s, rt.startMetrics(ctx, res, c.logs, owned)
}

// owned returns the registerer of a service's metrics.
func (c *config) owned(service string) prometheus.Registerer {
	return prometheus.WrapRegistererWith(prometheus.Labels{"service_name": service}, c.registry)
}

// startProcess registers the Go and process collectors and, if wanted, that of package
// process, without the families that the registry has already, as client_golang's default
// registry does.
func (rt *Runtime) startProcess(owned prometheus.Registerer, registry prometheus.Gatherer, wanted bool) error {
	var have []string
	families, _ := registry.Gather() // another collector's error is not Start's
	for _, f := range families {
		have = append(have, f.GetName())
	}
	for family, c := range map[string]prometheus.Collector{
		"go_goroutines":             collectors.NewGoCollector(),
		"process_cpu_seconds_total": collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if !slices.Contains(have, family) {
			if err := register(owned, c); err != nil {
				return err
			}
		}
	}
	if !wanted || slices.Contains(have, process.Always) {
		return nil
	}
	p := process.New(have...)
	if err := register(owned, p); err != nil {
		p.Close()
		return err
	}
	rt.shutdown = append(rt.shutdown, func(context.Context) error {
		p.Close()
		return nil
	})
	return nil
}

// register registers a collector unless the registry has it already.
func register(r prometheus.Registerer, c prometheus.Collector) error {
	if err := r.Register(c); err != nil && !errors.As(err, &prometheus.AlreadyRegisteredError{}) {
		return fmt.Errorf("setup: %w", err)
	}
	return nil
}

// startTraces sets rt.TracerProvider. Without an exporter, a caller's trace context reaches
// the next service unchanged.
func (rt *Runtime) startTraces(ctx context.Context, res *resource.Resource, reg prometheus.Registerer, c *config) error {
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(res), sdktrace.WithRawSpanLimits(spanLimits())} // the SDK reads OTEL_TRACES_SAMPLER
	exporters := selected("OTEL_TRACES_EXPORTER", "otlp")
	sdk, err := c.mustBeSDK(exporters)
	if err != nil {
		return err
	}
	for _, kind := range exporters {
		switch {
		case c.noTraces || truth("OTEL_SDK_DISABLED"):
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
			options = append(options, sdktrace.WithBatcher(consoleSpans{exp, rt.warnings}, spanBatches()...))
		default:
			client, err := otlpTraces()
			if err != nil {
				return fmt.Errorf("setup: OTLP trace exporter: %w", err)
			}
			if !sdk {
				return rt.startOTLPSpans(ctx, client, res, reg)
			}
			exp, err := otlptrace.New(ctx, client)
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

// spanLimits returns the limits of OTEL_*_LIMIT.
func spanLimits() sdktrace.SpanLimits {
	l := sdktrace.NewSpanLimits()
	l.AttributeValueLengthLimit = number(-1, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")
	l.AttributeCountLimit = number(sdktrace.DefaultAttributeCountLimit, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT")
	l.EventCountLimit = number(sdktrace.DefaultEventCountLimit, "OTEL_SPAN_EVENT_COUNT_LIMIT")
	l.LinkCountLimit = number(sdktrace.DefaultLinkCountLimit, "OTEL_SPAN_LINK_COUNT_LIMIT")
	l.AttributePerEventCountLimit = number(sdktrace.DefaultAttributePerEventCountLimit, "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT")
	l.AttributePerLinkCountLimit = number(sdktrace.DefaultAttributePerLinkCountLimit, "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT")
	return l
}

// flushWithin is the time limit of a shutdown whose context has no deadline.
const flushWithin = 5 * time.Second

// Shutdown exports the queued data and stops the exporters, all signals at the same time.
// It returns the error of the last export of each signal, so that a short job learns that
// its data was refused. When ctx ends, exports in flight are cut off, and no goroutine of
// theirs stays behind. It may be called more than once: by a signal handler and deferred.
func (rt *Runtime) Shutdown(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, flushWithin)
		defer cancel()
	}
	rt.stop.Lock() // a second call waits for the first, and has nothing left to do
	defer rt.stop.Unlock()
	rt.warnings.closing.Store(true)
	// The providers get a context without end: with one that has ended they would not
	// stop their goroutines.
	rt.mu.Lock()
	shutdowns := rt.shutdown
	rt.shutdown = nil // a second Shutdown has nothing to do
	rt.mu.Unlock()
	ended := make(chan error, len(shutdowns))
	for _, shutdown := range shutdowns {
		go func() { ended <- shutdown(context.WithoutCancel(ctx)) }()
	}
	var errs []error
	for range shutdowns {
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
	return errors.Join(append(errs, rt.warnings.final())...)
}
