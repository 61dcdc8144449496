package amqpmw

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/attribute"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/messaging"
)

// DeliveryFunc handles one delivery.
type DeliveryFunc func(context.Context, amqp.Delivery) error

// BatchFunc handles a batch of deliveries.
type BatchFunc func(context.Context, []amqp.Delivery) error

// Handler returns a function that calls fn and measures it. Each delivery has a
// process span, which is a child of the publisher's span. The queue wait runs from
// publication to the start of fn. A panic of fn is reported in all signals and
// continues. fn or the caller must acknowledge the delivery. Handler panics for a
// nil fn or option.
func Handler(fn DeliveryFunc, opts ...Option) DeliveryFunc {
	if fn == nil {
		panic("amqpmw: Handler: nil function")
	}
	c := messaging.NewConsumer(system, opts...)
	return func(ctx context.Context, m amqp.Delivery) error {
		d := describe(&m)
		d.Attributes = [2]attribute.KeyValue{adapter.AttrRabbitMQKey.String(m.RoutingKey), adapter.AttrRabbitMQTag.Int64(int64(m.DeliveryTag))}
		return messaging.Process(ctx, c, &messaging.Processing{}, &d, m, fn)
	}
}

// BatchHandler returns a function that calls fn with deliveries that the caller has
// collected, and measures it. A batch has one span with links to the publishers'
// spans, since it belongs to no single request. The queue wait is the longest one
// in the batch. Batches of several exchanges are recorded under _OTHER.
func BatchHandler(fn BatchFunc, opts ...Option) BatchFunc {
	if fn == nil {
		panic("amqpmw: BatchHandler: nil function")
	}
	c := messaging.NewConsumer(system, opts...)
	return func(ctx context.Context, deliveries []amqp.Delivery) error {
		return messaging.ProcessBatch(ctx, c, deliveries, describe, fn)
	}
}

func describe(d *amqp.Delivery) messaging.Delivery {
	return messaging.Delivery{Destination: destination(d.Exchange, d.RoutingKey), Produced: published(d), Carrier: &carrier{headers: d.Headers}}
}
