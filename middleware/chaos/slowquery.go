package chaos

import (
	"context"
	"time"
)

// slowQueryKind makes the store work during statements. The work is real: a processor is
// busy where the store runs.
var slowQueryKind = kind{
	Kind: Kind{
		Name: "slow_query", Does: "The store works for latency in each statement, as if an index was missing.",
		Symptom: "The statements take longer, and the processor time of the store rises: that of the process for an embedded store.",
		Cause:   "slow_query", Fields: []string{"latency", "percent"},
		Example: Fault{Kind: "slow_query", Latency: Duration(60 * time.Millisecond)},
	},
	statements: true,
	check:      bounded(10 * time.Second),
	request: func(ctx context.Context, a active, _ func() float64) error {
		for began := time.Now(); time.Since(began) < time.Duration(a.Latency) && a.state.ctx.Err() == nil; {
			if err := a.state.work(ctx); err != nil {
				return nil // the caller is gone, or the store is: the statement itself reports it
			}
		}
		return nil
	},
}
