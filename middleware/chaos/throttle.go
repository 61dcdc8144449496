package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Duty cycle of a process that is throttled without a control group. The period is that of
// the kernel's quota.
const (
	throttlePeriod = 100 * time.Millisecond
	minRunning     = 10 * time.Millisecond
)

var errLimited = errors.New("the process is throttled already; clear that fault, or wait until it is over")

// throttleKind limits the processor time of the process.
var throttleKind = kind{
	Kind: Kind{
		Name: "throttle", Does: "The process gets percent of one processor, by a quota of its control group. Without root, or without " +
			"control groups, it is stopped for the rest of each 100 ms, which looks like freeze. Not on Windows.",
		Symptom: "Throttled periods of the control group and the wait for a processor rise; self time and all links of the hop grow with its load.",
		Cause:   "throttled", Fields: []string{"percent"}, Process: true,
		Example: Fault{Kind: "throttle", Percent: 2, For: Duration(time.Minute)},
	},
	check: func(f Fault) error {
		if f.Percent < 0.5 || f.Percent >= 100 {
			return fmt.Errorf("percent is %v; the share of a processor must be from 0.5 to below 100", f.Percent)
		}
		if f.For > Duration(5*time.Minute) {
			return errors.New("for must be at most 5m")
		}
		return ends(f)
	},
	process: func(ctx context.Context, _ *Injector, f Fault) error {
		if err := quota(ctx, f.Percent, time.Duration(f.For)); err == nil || errors.Is(err, errLimited) {
			return err
		}
		running := time.Duration(f.Percent / 100 * float64(throttlePeriod))
		return freeze(ctx, throttlePeriod-max(running, minRunning), throttlePeriod, time.Duration(f.For))
	},
}
