package amqpmw_test

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"net/http"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/tenhop/tenhop/middleware/amqpmw"
	"github.com/tenhop/tenhop/middleware/hop"
)

var errPoison = errors.New("the order is not JSON")

// A service that handles one queue, publishes to an exchange and is scraped. A
// poison message is dead-lettered, not requeued for ever.
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
	if err := ch.Qos(20, 0, false); err != nil { // prefetch: else the broker sends all that it has
		log.Fatal(err)
	}
	// What is rejected waits in shipping.dead for a person to look at it.
	_, dead := ch.QueueDeclare("shipping.dead", true, false, false, false, nil)
	_, live := ch.QueueDeclare("shipping", true, false, false, false,
		amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "shipping.dead"})
	if err := errors.Join(dead, live); err != nil {
		log.Fatal(err)
	}
	deliveries, err := ch.Consume("shipping", "", false, false, false, false, nil)
	if err != nil {
		log.Fatal(err)
	}
	publisher := amqpmw.NewPublisher(ch)
	handle := amqpmw.Handler(func(ctx context.Context, d amqp.Delivery) error {
		if !json.Valid(d.Body) { // no attempt will ever succeed
			return errors.Join(errPoison, d.Nack(false, false))
		}
		if err := publisher.Publish(ctx, "shipments", "created", false, false, amqp.Publishing{Body: d.Body}); err != nil {
			return errors.Join(err, d.Nack(false, !d.Redelivered)) // one more attempt
		}
		return d.Ack(false)
	}, amqpmw.WithQueue("shipping"))
	http.Handle("GET /metrics", hop.Default().MetricsHandler())
	go func() { log.Print(http.ListenAndServe(":9100", nil)) }()
	for d := range deliveries {
		_ = handle(context.Background(), d)
	}
}
