package chaos

import "context"

// hangKind holds requests until their caller gives up or the fault is lifted.
var hangKind = kind{
	Kind: Kind{
		Name: "hang", Does: "Requests wait until their caller gives up or the fault is lifted.",
		Symptom: "Requests in flight grow at the hop and at its callers, nothing completes, then the callers' deadlines pass.",
		Cause:   "frozen", Fields: ofRequests,
		Example: Fault{Kind: "hang", Percent: 20},
	},
	request: func(ctx context.Context, a active, _ func() float64) error {
		select {
		case <-a.state.ctx.Done():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	},
}
