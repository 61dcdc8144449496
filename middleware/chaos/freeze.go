package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// freezePeriod is the time from one stop of the process to the next.
const freezePeriod = time.Second

// freezeKind stops the process at times, as a machine without time for it does. Another
// process continues it, so that it runs again even if the injector's caller is gone.
var freezeKind = kind{
	Kind: Kind{
		Name: "freeze", Does: "The process is stopped for latency of each second; for 1 s, until the fault's time is over. Not on Windows.",
		Symptom: "All links around the hop slow down, its scrapes take longer, and requests in flight grow while it is stopped.",
		Cause:   "frozen", Fields: []string{"latency"}, Process: true,
		Example: Fault{Kind: "freeze", Latency: Duration(400 * time.Millisecond), For: Duration(time.Minute)},
	},
	check: func(f Fault) error {
		if f.Latency < Duration(10*time.Millisecond) || f.Latency > Duration(freezePeriod) {
			return fmt.Errorf("latency must be between 10ms and %s", freezePeriod)
		}
		if f.For > Duration(5*time.Minute) {
			return errors.New("for must be at most 5m")
		}
		return ends(f)
	},
	process: func(ctx context.Context, _ *Injector, f Fault) error {
		return freeze(ctx, time.Duration(f.Latency), freezePeriod, time.Duration(f.For))
	},
}
