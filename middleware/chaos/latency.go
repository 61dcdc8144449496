package chaos

import (
	"context"
	"math/rand/v2"
	"time"
)

// delay is the latency fault: the operation takes d longer, give or take
// jitter (uniform). Symptom: the hop's self time rises by d, its callers' wait
// with it; nothing else changes. It ends early when the caller goes away.
func delay(ctx context.Context, d, jitter time.Duration) error {
	if jitter > 0 {
		d += time.Duration((2*rand.Float64() - 1) * float64(jitter))
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
