package httpmw

import (
	"net/http"

	"go.opentelemetry.io/otel/propagation"

	"github.com/tenhop/tenhop/middleware/hop"
)

type config struct {
	telemetry  *hop.Telemetry
	public     bool
	route      func(*http.Request) string
	exclude    map[string]bool
	dependency string
	propagator propagation.TextMapPropagator
}

// Option sets one thing of a handler or a transport.
type Option func(*config)

// WithTelemetry sets what to report to; hop.Default otherwise.
func WithTelemetry(t *hop.Telemetry) Option {
	if t == nil {
		panic("httpmw: WithTelemetry: nil Telemetry")
	}
	return func(c *config) { c.telemetry = t }
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

// WithExclude leaves requests for the given paths unmeasured. Without it
// /healthz, /readyz, /livez and /metrics are.
func WithExclude(paths ...string) Option {
	return func(c *config) {
		c.exclude = map[string]bool{}
		for _, p := range paths {
			c.exclude[p] = true
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

func configure(opts []Option) config {
	c := config{exclude: map[string]bool{"/healthz": true, "/readyz": true, "/livez": true, "/metrics": true}}
	for _, o := range opts {
		if o == nil {
			panic("httpmw: nil option")
		}
		o(&c)
	}
	if c.telemetry == nil {
		c.telemetry = hop.Default()
	}
	return c
}

var knownMethods = map[string]string{
	http.MethodGet: "GET", http.MethodHead: "HEAD", http.MethodPost: "POST", http.MethodPut: "PUT",
	http.MethodPatch: "PATCH", http.MethodDelete: "DELETE", http.MethodConnect: "CONNECT",
	http.MethodOptions: "OPTIONS", http.MethodTrace: "TRACE",
}

// method returns a method as a label value: what is not in the known set of
// the semantic conventions is _OTHER.
func method(m string) string {
	if m == "" {
		return "GET"
	}
	if known, ok := knownMethods[m]; ok {
		return known
	}
	return hop.Overflow
}
