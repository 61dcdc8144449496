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
	route      func(*http.Request) string
	exclude    map[string]hop.Signals
	defaults   bool // exclude holds the default paths
	dependency string
	propagator propagation.TextMapPropagator
	trusts     func(host string) bool // nil trusts all
}

// Option sets one thing of a handler or a transport.
type Option func(*config)

// WithTelemetry sets what to report to; hop.Default otherwise.
func WithTelemetry(t *hop.Telemetry) Option {
	if t == nil {
		panic("httpmw: WithTelemetry: nil Telemetry")
	}
	return func(c *config) { c.core = t.Core() }
}

// WithPublicEdge distrusts callers: their trace becomes a link of a new one,
// their baggage and entry are dropped. For handlers that face the internet.
func WithPublicEdge() Option { return func(c *config) { c.public = true } }

// WithRouteFunc tells how to find a request's route pattern, for routers that
// do not set http.Request.Pattern on the request that the handler was given.
func WithRouteFunc(f func(*http.Request) string) Option {
	if f == nil {
		panic("httpmw: WithRouteFunc: nil function")
	}
	return func(c *config) { c.route = f }
}

// WithMux finds route patterns by asking mux, for a mux that sits behind
// handlers which copy the request.
func WithMux(mux *http.ServeMux) Option {
	if mux == nil {
		panic("httpmw: WithMux: nil mux")
	}
	return WithRouteFunc(func(r *http.Request) string {
		_, pattern := mux.Handler(r)
		return pattern
	})
}

// WithExclude leaves requests for the given paths unmeasured, in place of the
// default /healthz, /readyz, /livez and /metrics. Without a path everything is
// measured.
func WithExclude(paths ...string) Option { return WithExcludeSignals(hop.AllSignals, paths...) }

// WithExcludeSignals leaves only some signals out for the given paths, such as
// the log lines of health checks. It replaces the default exclusions too.
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

// WithDependency names what a transport calls ("fraud"); the host without its
// port otherwise. The name is a metric label: it must be of low cardinality.
func WithDependency(name string) Option { return func(c *config) { c.dependency = name } }

// WithPropagation makes a transport emit another form of trace context, such
// as Jaeger's or B3, for a service that does not read W3C's.
func WithPropagation(p propagation.TextMapPropagator) Option {
	if p == nil {
		panic("httpmw: WithPropagation: nil propagator")
	}
	return func(c *config) { c.propagator = p }
}

// WithJaegerPropagation makes a transport emit uber-trace-id as well as W3C
// trace context, for a service that still uses jaeger-client-go.
func WithJaegerPropagation() Option {
	return WithPropagation(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, hop.Jaeger{}))
}

// WithB3Propagation makes a transport emit the X-B3-* headers as well as W3C
// trace context.
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
