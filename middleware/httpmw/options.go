package httpmw

import (
	"net/http"

	"go.opentelemetry.io/otel/propagation"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
)

type config struct {
	core       *adapter.Core
	public     bool
	router     router
	exclude    map[string]hop.Signals
	defaults   bool // exclude holds the default paths
	dependency string
	propagator propagation.TextMapPropagator
	trusts     func(host string) bool // nil trusts all
}

// Option configures a handler or a transport.
type Option func(*config)

// WithTelemetry sets the telemetry. The default is hop.Default. It panics when t is
// nil.
func WithTelemetry(t *hop.Telemetry) Option {
	if t == nil {
		panic("httpmw: WithTelemetry: nil Telemetry")
	}
	return func(c *config) { c.core = t.Core() }
}

// WithPublicEdge marks a handler that faces the internet. It starts a new trace that
// links to the caller's, and ignores the caller's baggage and entry. Its spans have in
// url.path what the route fixes, and REDACTED for the segments that the client chose.
func WithPublicEdge() Option { return func(c *config) { c.public = true } }

// WithRouteFunc sets the function that returns a request's route pattern, for
// routers that do not set http.Request.Pattern on the request they were given. It is
// called after the handler, and before that for calls of the handler, from their
// goroutines. "" means that it is not known.
func WithRouteFunc(f func(*http.Request) string) Option {
	if f == nil {
		panic("httpmw: WithRouteFunc: nil function")
	}
	return func(c *config) { c.router.fn = f }
}

// WithMux sets the mux that determines route patterns. It is for a mux behind
// handlers that copy the request, also behind http.StripPrefix: the route then has
// the prefix of the outer mux's pattern.
func WithMux(mux *http.ServeMux) Option {
	if mux == nil {
		panic("httpmw: WithMux: nil mux")
	}
	return func(c *config) { c.router.mux = mux }
}

// WithExclude excludes requests for the paths from all signals. It replaces the
// default paths /healthz, /readyz, /livez and /metrics. Without paths all requests
// are measured.
func WithExclude(paths ...string) Option { return WithExcludeSignals(hop.AllSignals, paths...) }

// WithExcludeSignals omits some signals of requests for the paths, such as the log
// lines of health checks. It also replaces the default paths.
func WithExcludeSignals(signals hop.Signals, paths ...string) Option {
	return func(c *config) {
		if c.defaults {
			c.exclude, c.defaults = map[string]hop.Signals{}, false
		}
		for _, p := range paths {
			c.exclude[p] |= signals
		}
	}
}

// WithDependency sets the logical name of the called service, such as "fraud". The
// default is what the host tells: "fraud" for fraud.shop.svc.cluster.local, and the host
// without its port for others (see adapter.ServiceOfHost). The name is a metric label
// and must be of low cardinality: after the first 256 hosts it is _OTHER.
func WithDependency(name string) Option { return func(c *config) { c.dependency = name } }

// WithPropagation sets the format of trace context that a transport sends, for a
// service that does not read W3C's.
func WithPropagation(p propagation.TextMapPropagator) Option {
	if p == nil {
		panic("httpmw: WithPropagation: nil propagator")
	}
	return func(c *config) { c.propagator = p }
}

// WithJaegerPropagation makes a transport send uber-trace-id in addition to W3C
// Trace Context, for a service that uses jaeger-client-go.
func WithJaegerPropagation() Option {
	return WithPropagation(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, hop.Jaeger{}))
}

// WithB3Propagation makes a transport send the X-B3-* headers in addition to W3C
// Trace Context.
func WithB3Propagation() Option {
	return WithPropagation(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, hop.B3{}))
}

func configure(opts []Option) config {
	c := config{defaults: true, exclude: map[string]hop.Signals{
		"/healthz": hop.AllSignals, "/readyz": hop.AllSignals, "/livez": hop.AllSignals, "/metrics": hop.AllSignals,
	}}
	for _, o := range opts {
		if o == nil {
			panic("httpmw: nil option")
		}
		o(&c)
	}
	if c.core == nil {
		c.core = hop.Default().Core()
	}
	return c
}
