package chaos

import (
	"context"
	"time"
)

// mutexKind makes requests pass one after another.
var mutexKind = kind{
	Kind: Kind{
		Name: "mutex", Does: "Each request holds one lock of the process for latency.",
		Symptom: "The hop's self time grows with the load, its goroutines block, and processor time does not change.",
		Cause:   "lock", Fields: append([]string{"latency"}, ofRequests...),
		Example: Fault{Kind: "mutex", Latency: Duration(20 * time.Millisecond)},
	},
	check: bounded(10 * time.Second),
	request: func(ctx context.Context, a active, _ func() float64) error {
		a.state.lock.Lock()
		defer a.state.lock.Unlock()
		if a.state.ctx.Err() == nil { // else it was lifted while this request queued
			sleep(ctx, time.Duration(a.Latency))
		}
		return ctx.Err()
	},
}
