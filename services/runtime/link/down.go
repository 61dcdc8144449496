package link

import (
	"context"
	"errors"
	"slices"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// Down makes a dependency refuse: open connections are reset, and new ones refused. embedded
// lists the dependencies without a connection, such as a database in a file; calls of them,
// as passed to chaos.Injector.ApplyCall, are refused.
func Down(l *Links, embedded ...string) chaos.Implementation {
	all := slices.Concat(embedded, l.names())
	if len(all) == 0 {
		all = []string{"payment-db"}
	}
	return chaos.Implementation{
		Kind: chaos.Kind{
			Name: "down", Does: "The dependency refuses connections and breaks those that are open.",
			Symptom: "Calls of the dependency fail at once, the hop and its callers with them; what the hop did before the call it still does.",
			Cause:   "dependency", Fields: []string{"dependency"}, Process: true,
			Example: chaos.Fault{Kind: "down", Dependency: all[0]},
		},
		Check: func(f chaos.Fault) error {
			if f.Dependency == "" {
				return errors.New("dependency is required: which one refuses?")
			}
			if slices.Contains(embedded, f.Dependency) {
				return nil
			}
			_, err := l.named(f.Dependency)
			return err
		},
		Begin: func(ctx context.Context, f chaos.Fault) error {
			if slices.Contains(embedded, f.Dependency) {
				return nil
			}
			links, err := l.named(f.Dependency)
			if err != nil {
				return err
			}
			return links[0].refuse(ctx)
		},
		Request: func(_ context.Context, f chaos.Fault, _ any) error {
			if slices.Contains(embedded, f.Dependency) {
				return refused("tcp", "127.0.0.1:5432")
			}
			return nil
		},
	}
}
