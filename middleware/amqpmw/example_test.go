package amqpmw_test

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/tenhop/tenhop/middleware/amqpmw"
	"github.com/tenhop/tenhop/middleware/hop"
)

func ExampleHandler() {
	handle := amqpmw.Handler(func(ctx context.Context, d amqp.Delivery) error {
		hop.Zerolog(ctx).Info().Str("key", d.RoutingKey).Msg("shipping")
		return d.Ack(false)
	})
	_ = handle
}

// Deliveries that were collected are acknowledged together.
func ExampleBatchHandler() {
	handle := amqpmw.BatchHandler(func(_ context.Context, ds []amqp.Delivery) error { return ds[len(ds)-1].Ack(true) })
	_ = handle
}

func ExampleNewPublisher() {
	publish := func(ctx context.Context, ch *amqp.Channel) error {
		publisher := amqpmw.NewPublisher(ch)
		return publisher.Publish(ctx, "orders", "placed", false, false, amqp.Publishing{ContentType: "application/json", Body: []byte("{}")})
	}
	_ = publish
}
