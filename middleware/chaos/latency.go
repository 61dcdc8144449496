package chaos

import (
	"context"
	"time"
)

// latency is the latency fault: the operation takes D longer, with uniform jitter.
// Symptoms: the hop's self time and its callers' wait rise by D, and nothing else
// changes. It ends early with the error of the context when the caller disconnects.
type latency struct{ D, Jitter time.Duration }

// apply waits. roll returns a random number in [0, 1).
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
