package resilience

import "sync"

// budget bounds retries to a part of the calls, whatever the load: each call saves up a part
// of a retry (gRPC calls it retry throttling, Finagle a retry budget). The budget of
// failsafe-go bounds the retries in flight; of a few short calls it would allow all.
type budget struct {
	ratio, burst float64

	mu     sync.Mutex
	tokens float64
}

func newBudget(ratio, burst float64) *budget {
	return &budget{ratio: ratio, burst: burst, tokens: burst}
}

// earn counts a call, whatever its outcome.
func (b *budget) earn() {
	b.mu.Lock()
	b.tokens = min(b.tokens+b.ratio, b.burst)
	b.mu.Unlock()
}

// spend reports whether a retry is allowed, and counts it.
func (b *budget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
