// Package amqpmw measures RabbitMQ publishers and consumers that use
// rabbitmq/amqp091-go. Each message has a span in the publisher's trace, a queue
// wait, RED metrics with exemplars, a log line and a self time.
//
// A complete program that handles one queue and publishes to an exchange:
//
//	package main
//
//	import (
//		"context"
//		"encoding/json"
//		"errors"
//		"log"
//
//		amqp "github.com/rabbitmq/amqp091-go"
//
//		"github.com/tenhop/tenhop/middleware/amqpmw"
//	)
//
//	var errPoison = errors.New("the order is not JSON")
//
//	func main() {
//		conn, err := amqp.Dial("amqp://guest:guest@rabbitmq:5672/")
//		if err != nil {
//			log.Fatal(err)
//		}
//		ch, err := conn.Channel()
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := ch.Confirm(false); err != nil { // Publish then waits for the broker
//			log.Fatal(err)
//		}
//		if err := ch.Qos(20, 0, false); err != nil { // prefetch: without it the broker sends all messages
//			log.Fatal(err)
//		}
//		// Rejected messages go to shipping.dead.
//		_, dead := ch.QueueDeclare("shipping.dead", true, false, false, false, nil)
//		_, live := ch.QueueDeclare("shipping", true, false, false, false,
//			amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "shipping.dead"})
//		if err := errors.Join(dead, live); err != nil {
//			log.Fatal(err)
//		}
//		deliveries, err := ch.Consume("shipping", "", false, false, false, false, nil)
//		if err != nil {
//			log.Fatal(err)
//		}
//		publisher := amqpmw.NewPublisher(ch)
//		handle := amqpmw.Handler(func(ctx context.Context, d amqp.Delivery) error {
//			if !json.Valid(d.Body) { // no retry can succeed
//				return errors.Join(errPoison, d.Nack(false, false))
//			}
//			if err := publisher.Publish(ctx, "shipments", "created", false, false, amqp.Publishing{Body: d.Body}); err != nil {
//				return errors.Join(err, d.Nack(false, !d.Redelivered)) // retry once
//			}
//			return d.Ack(false)
//		}, amqpmw.WithQueue("shipping"))
//		for d := range deliveries {
//			_ = handle(context.Background(), d)
//		}
//	}
//
// A process span is a child of the publisher's span and follows its sampling
// decision. The destination of a message is its exchange. For the default exchange
// it is the queue that the routing key names. WithQueue distinguishes the queues of
// an exchange.
package amqpmw
