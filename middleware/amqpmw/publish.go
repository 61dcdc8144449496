package amqpmw

import (
	"context"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/messaging"
)

// Publisher publishes on a channel.
type Publisher struct {
	channel  *amqp.Channel
	measured *messaging.Producer
}

// NewPublisher returns a Publisher on ch. The caller closes ch.
func NewPublisher(ch *amqp.Channel, opts ...Option) *Publisher {
	if ch == nil {
		panic("amqpmw: NewPublisher: nil channel")
	}
	return &Publisher{channel: ch, measured: messaging.NewProducer(system, opts...)}
}

// Publish publishes a message that belongs to the request in ctx. For an outbox
// row, hop.Restore returns that context. On a channel in confirm mode it waits
// until the broker confirms the message or ctx ends. It returns ErrNacked when the
// broker refuses the message or closes the channel. On any other channel it waits
// until the message is written to the connection. The time counts as a wait of the
// hop. Publish sets the timestamp if there is none. It does not modify msg.Headers.
func (p *Publisher) Publish(ctx context.Context, exchange, key string, mandatory, immediate bool, msg amqp.Publishing) error {
	name := destination(exchange, key)
	defer system.Wait(ctx, name).End()
	msg.Headers = copied(msg.Headers)
	if msg.Timestamp.IsZero() {
		msg.Timestamp = time.Now()
	}
	msg.Headers[headerTime] = msg.Timestamp.UnixMilli() // the property has whole seconds
	var s messaging.Sending
	p.measured.Begin(ctx, &s, name, &carrier{headers: msg.Headers}, adapter.AttrRabbitMQKey.String(key))
	confirmation, err := p.channel.PublishWithDeferredConfirmWithContext(ctx, exchange, key, mandatory, immediate, msg)
	if err == nil && confirmation != nil {
		var taken bool
		if taken, err = confirmation.WaitContext(ctx); err == nil && !taken {
			err = ErrNacked
		}
	}
	if err != nil || confirmation == nil {
		s.End(err)
		return err
	}
	s.End(nil, adapter.AttrRabbitMQTag.Int64(int64(confirmation.DeliveryTag)))
	return nil
}
