package amqpmw_test

import (
	"context"
	"errors"
	"log"
	"net/http"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/tenhop/tenhop/middleware/amqpmw"
	"github.com/tenhop/tenhop/middleware/hop"
)

// A service that handles one queue, publishes to an exchange and is scraped.
func Example_service() {
	conn, err := amqp.Dial("amqp://guest:guest@rabbitmq:5672/")
	if err != nil {
		log.Fatal(err)
	}
	ch, err := conn.Channel()
	if err != nil {
		log.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil { // Publish then waits for the broker
		log.Fatal(err)
	}
	deliveries, err := ch.Consume("shipping", "", false, false, false, false, nil)
	if err != nil {
		log.Fatal(err)
	}
	publisher := amqpmw.NewPublisher(ch)
	handle := amqpmw.Handler(func(ctx context.Context, d amqp.Delivery) error {
		if err := publisher.Publish(ctx, "shipments", "created", false, false, amqp.Publishing{Body: d.Body}); err != nil {
			return errors.Join(err, d.Nack(false, true))
		}
		return d.Ack(false)
	})
	http.Handle("GET /metrics", hop.Default().MetricsHandler())
	go func() { log.Print(http.ListenAndServe(":9100", nil)) }()
	for d := range deliveries {
		_ = handle(context.Background(), d)
	}
}
