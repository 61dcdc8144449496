package grpcmw

import (
	"strings"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/hop"
)

// systemName is rpc.system.name and the label protocol.
const systemName = "grpc"

type config struct {
	core    *adapter.Core
	chaos   *chaos.Injector
	public  bool
	exclude func(fullMethod string) hop.Signals
}

// Option sets one thing of the server's or the client's side.
type Option func(*config)

// WithTelemetry sets what to report to; hop.Default otherwise.
func WithTelemetry(t *hop.Telemetry) Option {
	if t == nil {
		panic("grpcmw: WithTelemetry: nil Telemetry")
	}
	return func(c *config) { c.core = t.Core() }
}

// WithChaos lets faults be injected into the server's handlers; a nil Injector
// injects none.
func WithChaos(i *chaos.Injector) Option { return func(c *config) { c.chaos = i } }

// WithPublicEdge distrusts callers: their trace becomes a link of a new one,
// their baggage and entry are dropped. For servers that face the internet.
func WithPublicEdge() Option { return func(c *config) { c.public = true } }

// WithExclude leaves methods unmeasured for which f is true. Without it the
// health and reflection services are. f is asked for every call, with the full
// method ("/grpc.health.v1.Health/Check").
func WithExclude(f func(fullMethod string) bool) Option {
	if f == nil {
		panic("grpcmw: WithExclude: nil function")
	}
	return WithExcludeSignals(func(m string) hop.Signals {
		if f(m) {
			return hop.AllSignals
		}
		return 0
	})
}

// WithExcludeSignals leaves out the signals that f returns for a method, such
// as the log lines of health checks; 0 leaves out none. It replaces the default
// exclusions too. A client's calls have no log line, and their span is left out
// only together with all else: f then returns hop.AllSignals.
func WithExcludeSignals(f func(fullMethod string) hop.Signals) Option {
	if f == nil {
		panic("grpcmw: WithExcludeSignals: nil function")
	}
	return func(c *config) { c.exclude = f }
}

func excludeDefault(m string) hop.Signals {
	if strings.HasPrefix(m, "/grpc.health.v1.") || strings.HasPrefix(m, "/grpc.reflection.") {
		return hop.AllSignals
	}
	return 0
}

func configure(opts []Option) config {
	c := config{exclude: excludeDefault}
	for _, o := range opts {
		if o == nil {
			panic("grpcmw: nil option")
		}
		o(&c)
	}
	if c.core == nil {
		c.core = hop.Default().Core()
	}
	return c
}

func methodName(full string) string { return strings.TrimPrefix(full, "/") }

// rpcAttributes are those of a method's spans.
func rpcAttributes(method string) *adapter.FixedAttributes {
	return adapter.Fix(adapter.AttrRPCSystem.String(systemName), adapter.AttrRPCMethod.String(method))
}
