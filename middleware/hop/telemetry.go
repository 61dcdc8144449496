package hop

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// scope is the instrumentation scope of every span.
const scope = "github.com/tenhop/tenhop/middleware"

// Telemetry holds what the adapters of one process share. It is immutable
// after New and safe for concurrent use.
type Telemetry struct {
	service     string
	tracer      trace.Tracer
	propagator  propagation.TextMapPropagator
	registerer  prometheus.Registerer
	gatherer    prometheus.Gatherer
	logger      zerolog.Logger
	seriesLimit int
	clock       func() time.Time // nil: the real one
	w3c         bool             // the propagator is W3C's: read and write without it
	accept      []propagation.TextMapPropagator
	sampling    *LogSampling
	kinds       [trace.SpanKindConsumer + 1]trace.SpanStartOption
	families    *families
	entries     nameSet // taken over from callers
	queues      nameSet // see Destination
}

// Option sets one thing of a Telemetry.
type Option func(*config)

type config struct {
	service     string
	version     string
	provider    trace.TracerProvider
	propagator  propagation.TextMapPropagator
	registry    registry
	logger      *zerolog.Logger
	seriesLimit int
	clock       func() time.Time
	accept      []propagation.TextMapPropagator
	sampling    *LogSampling
	errs        []error
}

type registry interface {
	prometheus.Registerer
	prometheus.Gatherer
}

// WithServiceName sets the label service_name and the log field service. It
// should equal the trace resource's service.name; without it OTEL_SERVICE_NAME
// counts, then the program's name.
func WithServiceName(name string) Option { return func(c *config) { c.service = name } }

// WithServiceVersion sets the version of the instrumentation scope's owner.
func WithServiceVersion(v string) Option { return func(c *config) { c.version = v } }

// WithTracerProvider sets the provider of spans; the global one otherwise.
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(c *config) {
		if p == nil {
			c.errs = append(c.errs, errors.New("WithTracerProvider: nil provider"))
		}
		c.provider = p
	}
}

// WithPropagator sets what reads and writes trace context; W3C Trace Context
// otherwise. Baggage and the correlation ID are handled apart from it.
func WithPropagator(p propagation.TextMapPropagator) Option {
	return func(c *config) {
		if p == nil {
			c.errs = append(c.errs, errors.New("WithPropagator: nil propagator"))
		}
		c.propagator = p
	}
}

// WithRegistry sets where metrics are registered and served from; the default
// registry of client_golang otherwise.
func WithRegistry(r *prometheus.Registry) Option {
	return func(c *config) {
		if r == nil {
			c.errs = append(c.errs, errors.New("WithRegistry: nil registry"))
			return
		}
		c.registry = r
	}
}

// WithLogger sets the logger of the hop's lines; JSON on standard error otherwise.
func WithLogger(l zerolog.Logger) Option { return func(c *config) { c.logger = &l } }

// WithSeriesLimit caps the series of each metric family in this process; what
// exceeds it is counted under the label value _OTHER. The default is 2,000.
func WithSeriesLimit(n int) Option {
	return func(c *config) {
		if n < 1 {
			c.errs = append(c.errs, fmt.Errorf("WithSeriesLimit: %d is not positive", n))
		}
		c.seriesLimit = n
	}
}

// WithClock sets the clock, for tests.
func WithClock(now func() time.Time) Option { return func(c *config) { c.clock = now } }

// WithAccept reads further forms of trace context, in this order, from messages
// that carry none of the propagator's: Jaeger{} for services that still use
// jaeger-client-go, B3{} for Zipkin's.
func WithAccept(forms ...propagation.TextMapPropagator) Option {
	return func(c *config) {
		for _, f := range forms {
			if f == nil {
				c.errs = append(c.errs, errors.New("WithAccept: nil propagator"))
			}
		}
		c.accept = append(c.accept, forms...)
	}
}

// WithLogSampling keeps only a share of the log lines of messages that ended
// well and fast; without it every message has its line.
func WithLogSampling(s LogSampling) Option {
	return func(c *config) {
		for _, rate := range s.Operations {
			if !(rate >= 0 && rate <= 1) {
				c.errs = append(c.errs, fmt.Errorf("WithLogSampling: rate %v is not between 0 and 1", rate))
			}
		}
		if !(s.Rate >= 0 && s.Rate <= 1) {
			c.errs = append(c.errs, fmt.Errorf("WithLogSampling: rate %v is not between 0 and 1", s.Rate))
		}
		c.sampling = &s
	}
}

// New makes a Telemetry. With no option it uses the global tracer provider, the
// default Prometheus registry and a logger on standard error.
func New(opts ...Option) (*Telemetry, error) {
	c := config{seriesLimit: 2000}
	for _, o := range opts {
		if o == nil {
			return nil, errors.New("hop: nil option")
		}
		o(&c)
	}
	if err := errors.Join(c.errs...); err != nil {
		return nil, fmt.Errorf("hop: %w", err)
	}
	if c.service == "" {
		c.service = os.Getenv("OTEL_SERVICE_NAME")
	}
	if c.service == "" {
		c.service = "unknown_service:" + programName()
	}
	if c.provider == nil {
		c.provider = otel.GetTracerProvider()
	}
	if c.propagator == nil {
		c.propagator = propagation.TraceContext{}
	}
	t := &Telemetry{
		entries:     nameSet{limit: maxEntries},
		queues:      nameSet{limit: maxDestinations},
		service:     c.service,
		tracer:      c.provider.Tracer(scope, trace.WithSchemaURL(SchemaURL)),
		propagator:  c.propagator,
		registerer:  prometheus.DefaultRegisterer,
		gatherer:    prometheus.DefaultGatherer,
		seriesLimit: c.seriesLimit,
		clock:       c.clock,
		w3c:         w3cOnly(c.propagator.Fields()),
		accept:      c.accept,
		sampling:    c.sampling,
	}
	for k := range t.kinds {
		t.kinds[k] = trace.WithSpanKind(trace.SpanKind(k))
	}
	if c.registry != nil {
		t.registerer, t.gatherer = c.registry, c.registry
	}
	t.registerer = prometheus.WrapRegistererWith(prometheus.Labels{"service_name": c.service}, t.registerer)
	if c.logger != nil {
		t.logger = *c.logger
	} else {
		t.logger = zerolog.New(os.Stderr).With().Timestamp().Logger()
	}
	t.logger = t.logger.With().Str("service", c.service).Logger()
	var err error
	if t.families, err = newFamilies(t); err != nil {
		return nil, err
	}
	return t, nil
}

// Default returns the process-wide Telemetry for callers that gave none. It is
// made at its first use.
func Default() *Telemetry { return defaultTelemetry() }

var defaultTelemetry = sync.OnceValue(func() *Telemetry {
	t, err := New()
	if err != nil {
		// The default registry refuses our families: go on with one of our own.
		t, err = New(WithRegistry(prometheus.NewRegistry()))
	}
	if err != nil {
		panic(err) // unreachable: an empty registry takes the families
	}
	return t
})

// ServiceName returns the service's name.
func (t *Telemetry) ServiceName() string { return t.service }

// Registerer registers further collectors under the label service_name.
func (t *Telemetry) Registerer() prometheus.Registerer { return t.registerer }

// Logger returns the process's logger, for lines outside any hop.
func (t *Telemetry) Logger() *zerolog.Logger { return &t.logger }

// Tracer returns the tracer of the library's scope, for adapters.
func (t *Telemetry) Tracer() trace.Tracer { return t.tracer }

// Now reads the clock.
func (t *Telemetry) Now() time.Time {
	if t.clock == nil {
		return time.Now()
	}
	return t.clock()
}

// since is the time since start, on the monotonic clock.
func (t *Telemetry) since(start time.Time) time.Duration {
	if t.clock == nil {
		return time.Since(start)
	}
	return t.clock().Sub(start)
}

func programName() string { return filepath.Base(os.Args[0]) }

// MetricsHandler serves the metrics, with exemplars where the scraper asks for
// OpenMetrics or protobuf.
func (t *Telemetry) MetricsHandler() http.Handler {
	return promhttp.HandlerFor(t.gatherer, promhttp.HandlerOpts{
		EnableOpenMetrics: true,
		ErrorHandling:     promhttp.ContinueOnError,
	})
}
