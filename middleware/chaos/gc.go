package chaos

import (
	"context"
	"runtime"
	"time"
)

// gcKind collects garbage all the time.
var gcKind = kind{
	Kind: Kind{
		Name: "gc", Does: "The process collects garbage without pause.",
		Symptom: "Processor time, collections and pauses rise; the hop's self time and its links grow a little.",
		Cause:   "gc", Process: true,
		Example: Fault{Kind: "gc"},
	},
	process: func(ctx context.Context, _ *Injector, _ Fault) error {
		go func() {
			for sleep(ctx, time.Millisecond) {
				runtime.GC()
			}
		}()
		return nil
	},
}
