package chaos

import (
	"context"
	"fmt"
	"time"
)

// latencyKind delays requests by Latency, with uniform jitter. The wait ends early with
// the error of the context when the caller disconnects.
var latencyKind = kind{
	Kind: Kind{
		Name: "latency", Does: "Requests wait for latency, plus or minus jitter.",
		Symptom: "The hop's self time and its callers' wait rise by the latency, and nothing else changes.",
		Cause:   "code", Fields: append([]string{"latency", "jitter"}, ofRequests...),
		Example: Fault{Kind: "latency", Latency: Duration(500 * time.Millisecond)},
	},
	check: func(f Fault) error {
		if f.Latency <= 0 || f.Latency > Duration(maxLatency) || f.Jitter < 0 || f.Jitter > f.Latency || f.Jitter > Duration(maxLatency)-f.Latency {
			return fmt.Errorf("latency must be above 0, jitter between 0 and the latency, both together at most %s", maxLatency)
		}
		return nil
	},
	request: func(ctx context.Context, a active, roll func() float64) error {
		d := time.Duration(a.Latency)
		if a.Jitter > 0 {
			d += time.Duration((2*roll() - 1) * float64(a.Jitter))
		}
		sleep(ctx, d)
		return ctx.Err()
	},
}
