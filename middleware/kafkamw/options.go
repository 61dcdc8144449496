package kafkamw

import (
	"go.opentelemetry.io/otel/attribute"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/hop"
)

// systemName is messaging.system and the label protocol.
const systemName = "kafka"

type config struct {
	telemetry *hop.Telemetry
	chaos     *chaos.Injector
	group     string
}

// Option sets one thing of a producer or a handler.
type Option func(*config)

// WithTelemetry sets what to report to; hop.Default otherwise.
func WithTelemetry(t *hop.Telemetry) Option {
	if t == nil {
		panic("kafkamw: WithTelemetry: nil Telemetry")
	}
	return func(c *config) { c.telemetry = t }
}

// WithChaos lets faults be injected into handlers; a nil Injector injects none.
func WithChaos(i *chaos.Injector) Option { return func(c *config) { c.chaos = i } }

// WithConsumerGroup names the consumer group on the process spans.
func WithConsumerGroup(name string) Option { return func(c *config) { c.group = name } }

func configure(opts []Option) config {
	var c config
	for _, o := range opts {
		if o == nil {
			panic("kafkamw: nil option")
		}
		o(&c)
	}
	if c.telemetry == nil {
		c.telemetry = hop.Default()
	}
	return c
}

func must[T any](v T, err error) T {
	if err != nil {
		panic("kafkamw: " + err.Error())
	}
	return v
}

// attributes are those of every span; the record's key is left out: it may be
// personal data.
func attributes(topic, operation, group string) *hop.FixedAttributes {
	a := []attribute.KeyValue{hop.AttrMessagingSystem.String(systemName), hop.AttrMessagingTopic.String(topic),
		hop.AttrMessagingOperation.String(operation), hop.AttrMessagingType.String(operation)}
	if group != "" {
		a = append(a, hop.AttrMessagingGroup.String(group))
	}
	return hop.Fix(a...)
}
