package chaos

import "context"

// maxGoroutines is the maximum number of goroutines that a fault leaves behind.
const maxGoroutines = 100_000

// goroutinesKind leaks a goroutine per request.
var goroutinesKind = kind{
	Kind: Kind{
		Name: "goroutines", Does: "Each request leaves a goroutine behind, which ends when the fault is lifted.",
		Symptom: "Goroutines and memory grow with the number of requests; latency follows late, if at all.",
		Cause:   "memory", Fields: ofRequests,
		Example: Fault{Kind: "goroutines"},
	},
	request: func(_ context.Context, a active, _ func() float64) error {
		if a.state.held.Add(1) > maxGoroutines {
			a.state.held.Add(-1)
			return nil
		}
		go func() {
			defer a.state.held.Add(-1)
			<-a.state.ctx.Done()
		}()
		return nil
	},
}
