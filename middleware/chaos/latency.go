package chaos

import (
	"context"
	"time"
)

// latency is the latency fault: the operation takes D longer, give or take
// Jitter (uniform). Symptom: the hop's self time rises by D, its callers' wait
// with it; nothing else changes. It ends early when the caller goes away, with
// the error of the context.
type latency struct{ D, Jitter time.Duration }

// apply waits; roll returns a number from 0 up to 1.
func (l latency) apply(ctx context.Context, roll func() float64) error {
	d := l.D
	if l.Jitter > 0 {
		d += time.Duration((2*roll() - 1) * float64(l.Jitter))
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
