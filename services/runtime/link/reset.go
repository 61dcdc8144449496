package link

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// reset breaks connections.
func reset(l *Links) chaos.Implementation {
	return chaos.Implementation{
		Kind: chaos.Kind{
			Name: "link_reset", Does: "When the service writes to dependency, or to all that it calls, the connection is reset in percent of the cases.",
			Symptom: "Calls in flight on the connection fail as unavailable, the callee sees them canceled, and connections are opened again and again.",
			Cause:   "link", Fields: []string{"percent", "dependency"}, Process: true,
			Example: chaos.Fault{Kind: "link_reset", Percent: 10},
		},
		Check: func(f chaos.Fault) error {
			if !(f.Percent > 0 && f.Percent <= 100) {
				return errors.New("percent must be above 0 and at most 100")
			}
			return nil
		},
		Begin: func(ctx context.Context, f chaos.Fault) error {
			return l.disturb(ctx, f.Dependency, &effect{up: wrap(resetToxic{f.Percent / 100})})
		},
	}
}

// resetToxic closes the stub instead of passing a segment on. It implements toxics.Toxic.
type resetToxic struct{ share float64 }

// Pipe passes segments on.
func (t resetToxic) Pipe(stub *toxics.ToxicStub) {
	each(stub, func(*stream.StreamChunk) (time.Duration, bool) { return 0, rand.Float64() >= t.share })
}
