package kafkagomw

import (
	"errors"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/messaging"
)

// Option configures a writer or a handler.
type Option = messaging.Option

// WithTelemetry sets the telemetry. The default is hop.Default.
func WithTelemetry(t *hop.Telemetry) Option { return messaging.WithTelemetry(t) }

// WithChaos sets the fault injector for handlers. A nil Injector injects nothing.
func WithChaos(i *chaos.Injector) Option { return messaging.WithChaos(i) }

// WithConsumerGroup sets the consumer group on the process spans.
func WithConsumerGroup(name string) Option { return messaging.WithConsumerGroup(name) }

// error.type is the title of the broker's error, such as NOT_LEADER_FOR_PARTITION.
var system = messaging.System{Name: "kafka", ErrorType: func(err error) string {
	var broker kafka.Error
	switch {
	case !errors.As(err, &broker):
		return ""
	case broker.Title() == "":
		return "KAFKA_" + strconv.Itoa(int(broker))
	}
	return strings.ToUpper(strings.ReplaceAll(broker.Title(), " ", "_"))
}}
