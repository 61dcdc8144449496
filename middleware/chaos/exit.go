package chaos

import (
	"context"
	"os"
	"time"
)

// exitDelay lets the admin endpoint respond before the process ends.
const exitDelay = 100 * time.Millisecond

// exitKind ends the process.
var exitKind = kind{
	Kind: Kind{
		Name: "exit", Does: "The process ends at once with status 137, as if it was killed.",
		Symptom: "Callers' connections fail for a moment, the process's start time changes, and its counters begin at zero.",
		Cause:   "restart", Process: true,
		Example: Fault{Kind: "exit"},
	},
	process: func(ctx context.Context, _ *Injector, _ Fault) error {
		go func() {
			if sleep(ctx, exitDelay) {
				os.Exit(137)
			}
		}()
		return nil
	},
}
