package messaging

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/hop"
)

// System is the broker that an adapter speaks to.
type System struct {
	Name string // messaging.system and the label protocol

	// ErrorType names the broker's own errors; "" for any other. It may be nil.
	ErrorType func(error) string

	// Temporary tells names that the broker generated, such as a reply queue's:
	// they count together as (temporary); only spans have them. It may be nil.
	Temporary func(destination string) bool
}

// label is a destination's name as a label value.
func (s *System) label(t *adapter.Core, destination string) string {
	if s.Temporary != nil && s.Temporary(destination) {
		return temporary
	}
	return t.Destination(destination)
}

// Option sets one thing of a Producer or a Consumer.
type Option func(*config)

type config struct {
	system System
	core   *adapter.Core
	chaos  *chaos.Injector
	group  string
	queue  string
}

// WithTelemetry sets what to report to; hop.Default otherwise.
func WithTelemetry(t *hop.Telemetry) Option {
	if t == nil {
		panic("messaging: WithTelemetry: nil Telemetry")
	}
	return func(c *config) { c.core = t.Core() }
}

// WithChaos lets faults be injected into handlers; a nil Injector injects none.
func WithChaos(i *chaos.Injector) Option { return func(c *config) { c.chaos = i } }

// WithConsumerGroup names the consumer group on the process spans.
func WithConsumerGroup(name string) Option { return func(c *config) { c.group = name } }

// WithQueue names the queue that a Consumer reads, for brokers whose messages say
// only which exchange they were published to: the queues of one exchange are
// then destinations of their own, named exchange:queue. A Producer ignores it.
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

// attributes are those of every span; the message's key is left out: it may be
// personal data.
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
