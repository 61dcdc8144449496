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
	core      *adapter.Core
	chaos     *chaos.Injector
	public    bool
	continues bool // panics do not become codes.Internal
	exclude   func(fullMethod string) hop.Signals
}

// Option configures a server or a client.
type Option func(*config)

// WithTelemetry sets the telemetry. The default is hop.Default. It panics when t is
// nil.
func WithTelemetry(t *hop.Telemetry) Option {
	if t == nil {
		panic("grpcmw: WithTelemetry: nil Telemetry")
	}
	return func(c *config) { c.core = t.Core() }
}

// WithChaos sets the fault injector for the server's handlers. A nil Injector
// injects nothing.
func WithChaos(i *chaos.Injector) Option { return func(c *config) { c.chaos = i } }

// WithPublicEdge marks a server that faces the internet. It starts a new trace that
// links to the caller's, and ignores the caller's baggage and entry.
func WithPublicEdge() Option { return func(c *config) { c.public = true } }

// WithoutRecovery lets a panic of a handler continue, as without this package: to an
// interceptor around it that recovers, or to the end of the process. By default the caller
// gets codes.Internal without the panic's text, and the process continues.
func WithoutRecovery() Option { return func(c *config) { c.continues = true } }

// WithExclude excludes the methods for which f returns true from all signals. The
// default excludes the health and reflection services. f is called for every call
// with the full method, such as "/grpc.health.v1.Health/Check".
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

// WithExcludeSignals omits the signals that f returns for a method, such as the log
// lines of health checks. It also replaces the default exclusions. Client calls
// have no log line. Their span is omitted only when f returns hop.AllSignals.
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

// rpcAttributes returns the attributes of the server spans of a method.
func rpcAttributes(method string) *adapter.FixedAttributes {
	return adapter.Fix(adapter.AttrRPCSystem.String(systemName), adapter.AttrRPCMethod.String(method))
}
