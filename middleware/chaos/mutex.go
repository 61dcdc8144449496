package chaos

import (
	"context"
	"time"
)

// mutexKind makes requests wait for a lock that the process itself holds most of the time.
var mutexKind = kind{
	Kind: Kind{
		Name: "mutex", Does: "A task of the process holds a lock for latency, again and again. Requests take the lock for an instant, and wait for it.",
		Symptom: "The hop's self time grows by less than half of latency on average, its goroutines block, and processor time does not change.",
		Cause:   "lock", Fields: append([]string{"latency"}, ofRequests...),
		Example: Fault{Kind: "mutex", Latency: Duration(200 * time.Millisecond)},
	},
	check: bounded(10 * time.Second),
	request: func(ctx context.Context, a active, _ func() float64) error {
		a.state.holding.Do(func() { go a.state.hold(time.Duration(a.Latency)) })
		a.state.lock.Lock()
		defer a.state.lock.Unlock()
		return ctx.Err()
	},
}

// free is the part of the time of a hold for which the lock is free between two holds.
const free = 4

// hold holds the lock for d, again and again, until the fault is lifted.
func (s *state) hold(d time.Duration) {
	for {
		s.lock.Lock()
		held := sleep(s.ctx, d)
		s.lock.Unlock()
		if !held || !sleep(s.ctx, d/free) {
			return
		}
	}
}
