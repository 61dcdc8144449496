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

// Retransmission timeouts of TCP (RTO_MIN of Linux), which double with each loss of the
// same segment.
const (
	retransmission    = 200 * time.Millisecond
	maxRetransmission = 5 * time.Second
)

// loss stalls connections as the loss of packets does. What follows a lost segment waits
// for it.
func loss(l *Links) chaos.Implementation {
	return chaos.Implementation{
		Kind: chaos.Kind{
			Name: "link_loss", Does: "Of what the service writes to dependency, or to all that it calls, percent is lost and sent again after 200 ms, 400 ms and so on.",
			Symptom: "A part of the calls takes 200 ms longer, all of it between the two ends, and others of the connection wait behind them.",
			Cause:   "link", Fields: []string{"percent", "dependency"}, Process: true,
			Example: chaos.Fault{Kind: "link_loss", Percent: 20},
		},
		Check: func(f chaos.Fault) error {
			if !(f.Percent > 0 && f.Percent <= 90) {
				return errors.New("percent must be above 0 and at most 90")
			}
			return nil
		},
		Begin: func(ctx context.Context, f chaos.Fault) error {
			return l.disturb(ctx, f.Dependency, &effect{up: wrap(lossToxic{f.Percent / 100})})
		},
	}
}

// lossToxic delays each segment by its retransmissions. It implements toxics.Toxic.
type lossToxic struct{ share float64 }

// Pipe passes segments on.
func (t lossToxic) Pipe(stub *toxics.ToxicStub) {
	each(stub, func(*stream.StreamChunk) (wait time.Duration, _ bool) {
		for again := retransmission; again <= maxRetransmission && rand.Float64() < t.share; again *= 2 {
			wait += again
		}
		return wait, true
	})
}
