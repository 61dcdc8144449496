package link

import (
	"context"
	"errors"
	"time"

	"github.com/Shopify/toxiproxy/v2/toxics"

	"github.com/tenhop/tenhop/middleware/chaos"
)

const maxDelay = chaos.Duration(time.Minute)

// delay holds back what the process writes.
func delay(l *Links) chaos.Implementation {
	return chaos.Implementation{
		Kind: chaos.Kind{
			Name: "link_delay", Does: "What the service writes to dependency, or to all that it calls, arrives latency later, plus or minus jitter.",
			Symptom: "The gap between the caller's and the callee's duration grows by the latency; neither end's self time changes.",
			Cause:   "link", Fields: []string{"latency", "jitter", "dependency"}, Process: true,
			Example: chaos.Fault{Kind: "link_delay", Latency: chaos.Duration(100 * time.Millisecond)},
		},
		Check: func(f chaos.Fault) error {
			if f.Latency < chaos.Duration(time.Millisecond) || f.Latency > maxDelay || f.Jitter < 0 || f.Jitter > f.Latency {
				return errors.New("latency must be from 1ms to 1m, jitter between 0 and the latency")
			}
			return nil
		},
		Begin: func(ctx context.Context, f chaos.Fault) error {
			return l.disturb(ctx, f.Dependency, &effect{up: wrap(&toxics.LatencyToxic{
				Latency: time.Duration(f.Latency).Milliseconds(), Jitter: time.Duration(f.Jitter).Milliseconds()})})
		},
	}
}
