package otelmw

import (
	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
)

type config struct {
	core    *adapter.Core
	limit   int
	public  bool
	hopOnly bool
}

// Option configures a SpanProcessor.
type Option func(*config)

// WithTelemetry sets the telemetry. The default is hop.Default. It panics when t is
// nil.
func WithTelemetry(t *hop.Telemetry) Option {
	if t == nil {
		panic("otelmw: WithTelemetry: nil Telemetry")
	}
	return func(c *config) { c.core = t.Core() }
}

// WithMaxSpans limits the number of spans in progress that are tracked. Beyond it the
// oldest is given up and counted in tenhop_tracked_spans_evicted_total. The default
// is 16,384. It panics unless n is positive.
func WithMaxSpans(n int) Option {
	if n < 1 {
		panic("otelmw: WithMaxSpans: the limit must be positive")
	}
	return func(c *config) { c.limit = n }
}

// WithPublicEdge marks a service that faces the internet. It ignores the entry in its
// callers' baggage.
func WithPublicEdge() Option { return func(c *config) { c.public = true } }

// WithHopMetricsOnly leaves out the families of HTTP, RPC, database and messaging
// operations, for a service whose instrumentation exports them.
func WithHopMetricsOnly() Option { return func(c *config) { c.hopOnly = true } }

func configure(opts []Option) config {
	c := config{limit: 16384}
	for _, o := range opts {
		if o == nil {
			panic("otelmw: nil option")
		}
		o(&c)
	}
	if c.core == nil {
		c.core = hop.Default().Core()
	}
	return c
}
