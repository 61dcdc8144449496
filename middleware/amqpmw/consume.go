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

// Handler measures fn: one process span per delivery, child of the publisher's.
// The queue wait is the time from publication to fn's start. A panic is reported
// in all signals and goes on. To acknowledge is fn's or the caller's.
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

// BatchHandler measures fn over deliveries that the caller has collected: one
// span that links to the publishers' spans, since a batch belongs to no single
// request. The queue wait is that of the message that waited longest. Batches of
// several exchanges count under _OTHER.
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
	return messaging.Delivery{Destination: destination(d.Exchange, d.RoutingKey), Produced: published(d), Carrier: carrier{d.Headers}}
}
