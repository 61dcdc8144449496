package messaging

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/hop"
)

// System describes the broker of an adapter.
type System struct {
	Name string // messaging.system and the label protocol

	// ErrorType returns the error.type of errors that the broker reports, and ""
	// for others. It may be nil.
	ErrorType func(error) string

	// Temporary reports whether the broker generated a name, such as that of a
	// reply queue. Labels have the value (temporary) for such names. It may be nil.
	Temporary func(destination string) bool
}

// label returns a destination's name as a label value.
func (s *System) label(t *adapter.Core, destination string) string {
	if s.Temporary != nil && s.Temporary(destination) {
		return temporary
	}
	return t.Destination(destination)
}

// Option configures a Producer or a Consumer.
type Option func(*config)

type config struct {
	system System
	core   *adapter.Core
	chaos  *chaos.Injector
	group  string
	queue  string
}

// WithTelemetry sets the telemetry. The default is hop.Default. It panics when t is
// nil.
func WithTelemetry(t *hop.Telemetry) Option {
	if t == nil {
		panic("messaging: WithTelemetry: nil Telemetry")
	}
	return func(c *config) { c.core = t.Core() }
}

// WithChaos sets the fault injector for handlers. A nil Injector injects nothing.
func WithChaos(i *chaos.Injector) Option { return func(c *config) { c.chaos = i } }

// WithConsumerGroup sets the consumer group on the process spans.
func WithConsumerGroup(name string) Option { return func(c *config) { c.group = name } }

// WithQueue sets the name of the queue that a Consumer reads, for brokers whose
// messages name only their exchange. The destination is then exchange:queue, so
// that the queues of an exchange are separate destinations. A Producer ignores it.
func WithQueue(name string) Option { return func(c *config) { c.queue = name } }

func configure(system System, opts []Option) config {
	c := config{system: system}
	for _, o := range opts {
		if o == nil {
			panic("messaging: nil option")
		}
		o(&c)
	}
	if c.core == nil {
		c.core = hop.Default().Core()
	}
	return c
}

func must[T any](v T, err error) T {
	if err != nil {
		panic("messaging: " + err.Error())
	}
	return v
}

// attributes returns the attributes of all spans of a destination. The message's key is
// none of them: it may be personal data.
func (c *config) attributes(destination, operation string) *adapter.FixedAttributes {
	a := []attribute.KeyValue{adapter.AttrMessagingSystem.String(c.system.Name), adapter.AttrMessagingTopic.String(destination),
		adapter.AttrMessagingOperation.String(operation), adapter.AttrMessagingType.String(operation)}
	if strings.HasSuffix(destination, temporary) {
		a = append(a, adapter.AttrMessagingTemplate.String(destination), adapter.AttrMessagingTemporary.Bool(true), adapter.AttrMessagingAnonymous.Bool(true))
	}
	if operation == verbProcess && c.group != "" {
		a = append(a, adapter.AttrMessagingGroup.String(c.group))
	}
	return adapter.Fix(a...)
}
