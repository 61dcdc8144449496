package faults

import (
	"context"
	"strconv"
	"sync"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// Poison returns the kind of a message that can never be processed.
func Poison() chaos.Implementation {
	var mu sync.Mutex
	poison := map[string]any{} // the message by fault
	return chaos.Implementation{
		Kind: chaos.Kind{
			Name: "poison", Does: "One message fails whenever it is processed, until the fault is lifted. The consumer repeats it, and those behind it wait.",
			Symptom: "One message fails again and again at the consumer, nothing else is processed, and the topic's queue wait grows.",
			Cause:   "queue", Fields: []string{"operation"},
			Example: chaos.Fault{Kind: "poison"},
		},
		Begin: func(ctx context.Context, f chaos.Fault) error {
			context.AfterFunc(ctx, func() {
				mu.Lock()
				defer mu.Unlock()
				delete(poison, f.ID)
			})
			return nil
		},
		Request: func(_ context.Context, f chaos.Fault, message any) error {
			mu.Lock()
			defer mu.Unlock()
			if poison[f.ID] == nil {
				poison[f.ID] = message // it is the same value when it is repeated
			}
			if poison[f.ID] != message {
				return nil
			}
			_, err := strconv.ParseInt("", 10, 64) // as from a field that is empty
			return err
		},
	}
}
