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

// Option sets one thing of a writer or a handler.
type Option = messaging.Option

// WithTelemetry sets what to report to; hop.Default otherwise.
func WithTelemetry(t *hop.Telemetry) Option { return messaging.WithTelemetry(t) }

// WithChaos lets faults be injected into handlers; a nil Injector injects none.
func WithChaos(i *chaos.Injector) Option { return messaging.WithChaos(i) }

// WithConsumerGroup names the consumer group on the process spans.
func WithConsumerGroup(name string) Option { return messaging.WithConsumerGroup(name) }

// The broker's error is named after its title, as NOT_LEADER_FOR_PARTITION.
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
