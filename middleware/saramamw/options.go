package saramamw

import (
	"errors"
	"strconv"

	"github.com/IBM/sarama"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/messaging"
)

// Option sets one thing of a producer or a handler.
type Option = messaging.Option

// WithTelemetry sets what to report to; hop.Default otherwise.
func WithTelemetry(t *hop.Telemetry) Option { return messaging.WithTelemetry(t) }

// WithChaos lets faults be injected into handlers; a nil Injector injects none.
func WithChaos(i *chaos.Injector) Option { return messaging.WithChaos(i) }

// WithConsumerGroup names the consumer group on the process spans.
func WithConsumerGroup(name string) Option { return messaging.WithConsumerGroup(name) }

// sarama has no short names of the broker's codes, so that error.type is
// KAFKA_6 for NOT_LEADER_OR_FOLLOWER.
var system = messaging.System{Name: "kafka", ErrorType: func(err error) string {
	var broker sarama.KError
	if errors.As(err, &broker) {
		return "KAFKA_" + strconv.Itoa(int(broker))
	}
	return ""
}}
