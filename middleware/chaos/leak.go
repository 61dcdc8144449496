package chaos

import (
	"context"
	"fmt"
	"time"
)

// Limits of the fault leak.
const (
	maxLeak     = 1 << 30 // bytes that it holds
	leakSteps   = 10      // per second
	maxLeakRate = 256 << 20
)

// leakKind allocates memory that is not freed.
var leakKind = kind{
	Kind: Kind{
		Name: "leak", Does: "The process allocates bytes per second, up to 1 GiB, and frees them when the fault is lifted.",
		Symptom: "Memory grows steadily; collections become more frequent near a limit, where the process may be killed.",
		Cause:   "memory", Fields: []string{"bytes"}, Process: true,
		Example: Fault{Kind: "leak", Bytes: 16 << 20},
	},
	check: func(f Fault) error {
		if f.Bytes < leakSteps || f.Bytes > maxLeakRate {
			return fmt.Errorf("bytes must be between %d and %d per second", leakSteps, maxLeakRate)
		}
		return nil
	},
	process: func(ctx context.Context, _ *Injector, f Fault) error {
		go func() {
			var held [][]byte
			size := int64(0)
			for sleep(ctx, time.Second/leakSteps) {
				if size >= maxLeak {
					continue
				}
				block := make([]byte, f.Bytes/leakSteps)
				for i := 0; i < len(block); i += 4096 {
					block[i] = 1 // the kernel gives memory when it is touched
				}
				held, size = append(held, block), size+int64(len(block))
			}
			clear(held)
		}()
		return nil
	},
}
