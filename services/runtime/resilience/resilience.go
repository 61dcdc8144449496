// Package resilience bounds what the failure of one service costs the others.
//
// It stands around and within each measured call of a client:
//
//	deadline and retries → span and metrics → breaker and bulkhead → the wire
//
// So each attempt has its span, and a call that a breaker or a bulkhead refuses is a failed
// call of its dependency.
//
//   - A call ends before its caller's deadline, so that each hop has time to answer. gRPC
//     propagates deadlines; HTTP requests have the header that Envoy uses.
//   - A call is retried if it is idempotent, its dependency was unavailable, and the budget
//     allows it. Only the direct caller of a service that fails retries: a hop whose own call
//     failed tells its caller not to.
//   - A breaker opens if almost all calls fail at the dependency itself. Latency never opens it.
//   - A bulkhead bounds the calls in flight.
package resilience

import (
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Policy configures the calls of a client.
type Policy struct {
	Timeout time.Duration // of a call without an earlier deadline

	Attempts    int           // at most, with the first
	Backoff     time.Duration // before the first retry, plus or minus half of it; it doubles
	BudgetRatio float64       // retries per call
	BudgetBurst float64       // retries that may be saved up

	BreakerRate   float64 // of calls in BreakerWindow that fail
	BreakerCalls  uint    // in BreakerWindow at least
	BreakerWindow time.Duration
	BreakerDelay  time.Duration // until a call is tried again, up to twice as long

	MaxInFlight  uint          // calls
	BulkheadWait time.Duration // for one of them to end, at most
}

// Default is far from what an ordinary load does: at 20 requests/s, all of which hang for
// 10 s, 200 calls are in flight. The budget is small, since a service that fails for a part
// of its requests is a fault that customers and operators must see, too.
func Default() Policy {
	return Policy{
		Timeout:  10 * time.Second,
		Attempts: 3, Backoff: 25 * time.Millisecond, BudgetRatio: .05, BudgetBurst: 2,
		BreakerRate: .9, BreakerCalls: 20, BreakerWindow: 10 * time.Second, BreakerDelay: 500 * time.Millisecond,
		MaxInFlight: 512, BulkheadWait: 100 * time.Millisecond,
	}
}

// Clients makes the clients of a process, one per dependency.
type Clients struct {
	policy  Policy
	metrics *metrics
	log     *zerolog.Logger

	mu      sync.Mutex
	clients map[string]*Client
}

// New returns clients with a policy, whose metrics it registers. It panics if the registry
// refuses them.
func New(p Policy, to prometheus.Registerer, log *zerolog.Logger) *Clients {
	return &Clients{policy: p, metrics: newMetrics(to), log: log, clients: map[string]*Client{}}
}

// Of returns the client of a dependency. All of its users share breaker, bulkhead and budget.
func (c *Clients) Of(dependency string) *Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clients[dependency] == nil {
		c.clients[dependency] = c.newClient(dependency)
	}
	return c.clients[dependency]
}

// Client applies the policy to the calls of one dependency. It is safe for concurrent use.
type Client struct {
	dependency string
	policy     Policy
	series     series
	budget     *budget
	breaker    *breaker
	bulkhead   bulkhead.Bulkhead[any]
}

func (c *Clients) newClient(dependency string) *Client {
	p := c.policy
	out := &Client{dependency: dependency, policy: p, series: c.metrics.of(dependency),
		budget: newBudget(p.BudgetRatio, p.BudgetBurst), bulkhead: bulkhead.New[any](p.MaxInFlight), breaker: new(breaker)}
	out.breaker.of = circuitbreaker.NewBuilder[any]().
		WithFailureRateThreshold(p.BreakerRate, p.BreakerCalls, p.BreakerWindow).
		WithRandomDelay(p.BreakerDelay, 2*p.BreakerDelay).
		WithSuccessThreshold(2).
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
			out.breaker.changes++
			out.series.state.Set(stateValue(e.NewState))
			// Half-open and open again is no news.
			switch {
			case e.NewState == circuitbreaker.OpenState && e.OldState == circuitbreaker.ClosedState:
				c.log.Warn().Str("dependency", dependency).Float64("failure_rate", e.Metrics().FailureRate()).Msg("circuit breaker opened")
			case e.NewState == circuitbreaker.ClosedState:
				c.log.Info().Str("dependency", dependency).Msg("circuit breaker closed")
			}
		}).Build()
	return out
}
