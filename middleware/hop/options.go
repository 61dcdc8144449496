package hop

import (
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// Option configures a Telemetry.
type Option func(*config)

type config struct {
	adapter.Config
	gatherer prometheus.Gatherer
	errs     []error
}

// invalid records an error that New returns.
func (c *config) invalid(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf(format, args...))
}

// WithServiceName sets the label service_name and the log field service. It should
// equal service.name of the trace resource. The default is OTEL_SERVICE_NAME, then
// service.name of OTEL_RESOURCE_ATTRIBUTES, then the program's name.
func WithServiceName(name string) Option { return func(c *config) { c.ServiceName = name } }

// WithTracerProvider sets the tracer provider. The default is the global one.
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(c *config) {
		if p == nil {
			c.invalid("WithTracerProvider: nil provider")
		}
		c.TracerProvider = p
	}
}

// WithPropagator sets the propagator of trace context. The default is W3C Trace
// Context. Baggage and the correlation ID do not depend on it.
func WithPropagator(p propagation.TextMapPropagator) Option {
	return func(c *config) {
		if p == nil {
			c.invalid("WithPropagator: nil propagator")
		}
		c.Propagator = p
	}
}

// WithAccept adds formats of trace context. They are tried in order for messages
// without trace context in the propagator's format. Jaeger{} is for callers that
// use jaeger-client-go, and B3{} for callers that use Zipkin.
func WithAccept(formats ...propagation.TextMapPropagator) Option {
	return func(c *config) {
		for _, f := range formats {
			if f == nil {
				c.invalid("WithAccept: nil propagator")
			}
		}
		c.Accept = append(c.Accept, formats...)
	}
}

// WithRegistry sets the registry that metrics are registered with and served
// from. The default is client_golang's default registry.
func WithRegistry(r *prometheus.Registry) Option {
	return func(c *config) {
		if r == nil {
			c.invalid("WithRegistry: nil registry")
			return
		}
		c.Registerer, c.gatherer = r, r
	}
}

// WithRegisterer is WithRegistry for a registry of another type: metrics are registered
// with r, and MetricsHandler serves those of g.
func WithRegisterer(r prometheus.Registerer, g prometheus.Gatherer) Option {
	return func(c *config) {
		if r == nil || g == nil {
			c.invalid("WithRegisterer: nil registerer or gatherer")
			return
		}
		c.Registerer, c.gatherer = r, g
	}
}

// WithLogger sets the logger of all lines. The default writes JSON to standard
// error through zerolog. The last of WithLogger and WithZerolog applies.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) {
		if l == nil {
			c.invalid("WithLogger: nil logger")
			return
		}
		if h, ok := l.Handler().(logHandler); ok && len(h.steps) == 0 {
			l = slog.New(h.inner) // it would write the request's IDs again
		}
		c.Slog, c.Zerolog = l, nil
	}
}

// WithZerolog sets a zerolog logger for all lines, including those of Logger. It
// allocates less per line than WithLogger.
//
// zerolog.Ctx(ctx) returns the request's logger, too, in a context into which the service
// has put none, unless there is a zerolog.DefaultContextLogger. Without WithZerolog it
// writes nothing there, as without this library.
func WithZerolog(l zerolog.Logger) Option {
	return func(c *config) { c.Zerolog, c.Slog, c.ZerologCtx = &l, nil, true }
}

// LogSampling is the share of log lines that WithLogSampling keeps.
type LogSampling = adapter.LogSampling

// WithLogSampling keeps only a share of the log lines of successful, fast messages.
// By default every message is logged.
func WithLogSampling(s LogSampling) Option {
	return func(c *config) {
		for _, rate := range s.Operations {
			if !(rate >= 0 && rate <= 1) {
				c.invalid("WithLogSampling: rate %v is not between 0 and 1", rate)
			}
		}
		if !(s.Rate >= 0 && s.Rate <= 1) {
			c.invalid("WithLogSampling: rate %v is not between 0 and 1", s.Rate)
		}
		c.LogSampling = &s
	}
}

// WithProfileLabels labels the goroutines of HTTP, gRPC and Connect handlers, so that a
// profile of the process tells its operations apart: samples have the label operation. By
// default there are none: with them the route of each request is looked up once more.
//
// Labels in the request's context stay. Labels of the goroutine that are not in it, such as
// those that a server's goroutines inherit from the one that called pprof.Do around Serve,
// are lost from the first request on.
func WithProfileLabels() Option { return func(c *config) { c.ProfileLabels = true } }

// WithSeriesLimit limits the number of series in each metric family. Further series
// share the label value _OTHER. The default is 2,000.
func WithSeriesLimit(n int) Option {
	return func(c *config) {
		if n < 1 {
			c.invalid("WithSeriesLimit: %d is not positive", n)
		}
		c.SeriesLimit = n
	}
}

// WithTrustedCallers sets the networks of the callers that may name a request's entry.
// The default is the machine itself and private networks (RFC 1918, RFC 4193, RFC 6598,
// link-local). Without networks no caller is trusted. A request that a proxy forwards
// is trusted when the last address of X-Forwarded-For is too. Brokers and callers
// without an IP address are always trusted. The correlation ID and the trace of a
// caller that is not trusted are kept; WithPublicEdge of an adapter starts a new trace.
func WithTrustedCallers(networks ...netip.Prefix) Option {
	return func(c *config) {
		c.TrustedCallers = make([]netip.Prefix, 0, len(networks))
		for _, n := range networks {
			if !n.IsValid() {
				c.invalid("WithTrustedCallers: an invalid network")
			}
			c.TrustedCallers = append(c.TrustedCallers, n.Masked())
		}
	}
}

// WithClock sets the clock, for tests.
func WithClock(now func() time.Time) Option { return func(c *config) { c.Clock = now } }
