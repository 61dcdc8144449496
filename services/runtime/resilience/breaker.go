package resilience

import (
	"sync"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// breaker is a circuit breaker that takes the result of a call only in the state that
// admitted the call. A call that was slow to fail, or to succeed, says nothing about how the
// dependency is after later ones have opened the breaker.
type breaker struct {
	mu      sync.Mutex // held while a change of state is reported, so that reports are in order
	of      circuitbreaker.CircuitBreaker[any]
	changes int // of state
}

// refuses reports whether the breaker is open.
func (b *breaker) refuses() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.of.RemainingDelay() > 0
}

// admit asks for a call. Its result belongs to the state that admit returns.
func (b *breaker) admit() (state int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ok = b.of.TryAcquirePermit()
	return b.changes, ok
}

// record takes the result of a call.
func (b *breaker) record(state int, failed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case state != b.changes:
	case failed:
		b.of.RecordFailure()
	default:
		b.of.RecordSuccess()
	}
}
