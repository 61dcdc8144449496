package faults

import (
	"errors"
	"time"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// SlowConsumer makes a consumer take its messages late.
var SlowConsumer = chaos.Implementation{
	Kind: chaos.Kind{
		Name: "slow_consumer", Does: "The service takes one message per latency from its topic.",
		Symptom: "The queue wait of the topic grows as long as more messages arrive; processing one takes as long as before.",
		Cause:   "queue", Fields: []string{"latency"},
		Example: chaos.Fault{Kind: "slow_consumer", Latency: chaos.Duration(500 * time.Millisecond)},
	},
	Check: func(f chaos.Fault) error {
		if f.Latency <= 0 || f.Latency > chaos.Duration(time.Minute) {
			return errors.New("latency must be above 0 and at most 1m")
		}
		return nil
	},
}
