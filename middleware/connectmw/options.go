package connectmw

import (
	"strings"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
)

type config struct {
	core    *adapter.Core
	public  bool
	exclude func(procedure string) hop.Signals
}

// Option configures an interceptor.
type Option func(*config)

// WithTelemetry sets the telemetry. The default is hop.Default. It panics when t is
// nil.
func WithTelemetry(t *hop.Telemetry) Option {
	if t == nil {
		panic("connectmw: WithTelemetry: nil Telemetry")
	}
	return func(c *config) { c.core = t.Core() }
}

// WithPublicEdge marks handlers that face the internet. They start a new trace that
// links to the caller's, and ignore the caller's baggage and entry. Behind
// httpmw.Handler its own WithPublicEdge decides.
func WithPublicEdge() Option { return func(c *config) { c.public = true } }

// WithExcludeSignals omits the signals that f returns for a procedure, such as
// "/shop.v1.Cart/Add". It replaces the default, which omits all signals of the health and
// reflection services. Client calls have no log line. Their span is omitted only when f
// returns hop.AllSignals. Behind httpmw.Handler it omits the rpc_server_* metrics, or with
// hop.AllSignals all that is added to the request.
func WithExcludeSignals(f func(procedure string) hop.Signals) Option {
	if f == nil {
		panic("connectmw: WithExcludeSignals: nil function")
	}
	return func(c *config) { c.exclude = f }
}

func excludeDefault(procedure string) hop.Signals {
	if strings.HasPrefix(procedure, "/grpc.health.v1.") || strings.HasPrefix(procedure, "/grpc.reflection.") {
		return hop.AllSignals
	}
	return 0
}

func configure(opts []Option) config {
	c := config{exclude: excludeDefault}
	for _, o := range opts {
		if o == nil {
			panic("connectmw: nil option")
		}
		o(&c)
	}
	if c.core == nil {
		c.core = hop.Default().Core()
	}
	return c
}
