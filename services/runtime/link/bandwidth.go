package link

import (
	"context"
	"errors"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// bandwidth limits what passes.
func bandwidth(l *Links) chaos.Implementation {
	return chaos.Implementation{
		Kind: chaos.Kind{
			Name: "link_bandwidth", Does: "Each connection to dependency, or to all that the service calls, passes bytes per second in each direction.",
			Symptom: "Calls take longer the larger their messages are and the more of them there are, all of it between the two ends.",
			Cause:   "link", Fields: []string{"bytes", "dependency"}, Process: true,
			Example: chaos.Fault{Kind: "link_bandwidth", Bytes: 4 << 10},
		},
		Check: func(f chaos.Fault) error {
			if f.Bytes < 1000 || f.Bytes > 1<<30 {
				return errors.New("bytes must be from 1000 to 1GiB per second")
			}
			return nil
		},
		Begin: func(ctx context.Context, f chaos.Fault) error {
			t := bandwidthToxic{f.Bytes}
			return l.disturb(ctx, f.Dependency, &effect{up: wrap(t), down: wrap(t)})
		},
	}
}

// bandwidthToxic passes bytes per second. That of toxiproxy writes log lines, which would
// tell of it. It implements toxics.Toxic.
type bandwidthToxic struct{ perSecond int64 }

// Pipe passes segments on.
func (t bandwidthToxic) Pipe(stub *toxics.ToxicStub) {
	free := time.Now() // when the line is
	each(stub, func(c *stream.StreamChunk) (time.Duration, bool) {
		if now := time.Now(); free.Before(now) {
			free = now
		}
		free = free.Add(time.Duration(int64(len(c.Data)) * int64(time.Second) / t.perSecond))
		return time.Until(free), true
	})
}
