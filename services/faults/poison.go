package faults

import (
	"context"
	"strconv"
	"sync"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// Poison returns the kind of a message that can never be processed. id returns what
// identifies a message, also when it is repeated. The fault leaves a message without one alone.
func Poison(id func(message any) string) chaos.Implementation {
	var mu sync.Mutex
	poison := map[string]string{} // the message's ID by fault
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
			this := id(message)
			if this == "" {
				return nil
			}
			if poison[f.ID] == "" {
				poison[f.ID] = this
			}
			if poison[f.ID] != this {
				return nil
			}
			_, err := strconv.ParseInt("", 10, 64) // as from a field that is empty
			return err
		},
	}
}
