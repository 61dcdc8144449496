package saramamw

import (
	"errors"
	"strconv"

	"github.com/IBM/sarama"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/messaging"
)

// Option configures a producer or a handler.
type Option = messaging.Option

// WithTelemetry sets the telemetry. The default is hop.Default.
func WithTelemetry(t *hop.Telemetry) Option { return messaging.WithTelemetry(t) }

// WithChaos sets the fault injector for handlers. A nil Injector injects nothing.
func WithChaos(i *chaos.Injector) Option { return messaging.WithChaos(i) }

// WithConsumerGroup sets the consumer group on the process spans.
func WithConsumerGroup(name string) Option { return messaging.WithConsumerGroup(name) }

// error.type is KAFKA_6 for NOT_LEADER_OR_FOLLOWER, since sarama has no short names
// of the broker's codes.
var system = messaging.System{Name: "kafka", ErrorType: func(err error) string {
	var broker sarama.KError
	if errors.As(err, &broker) {
		return "KAFKA_" + strconv.Itoa(int(broker))
	}
	return ""
}}
