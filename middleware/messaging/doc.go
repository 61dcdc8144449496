// Package messaging is shared by the adapters of message brokers (kafkamw,
// saramamw, kafkagomw, amqpmw). It records the spans, metrics and log lines of sent
// and processed messages, and limits the number of destination names. It does not
// depend on a broker. Services import an adapter. This package is for authors of
// adapters.
//
// A complete program, with a channel for a broker:
//
//	package main
//
//	import (
//		"context"
//		"time"
//
//		"go.opentelemetry.io/otel/propagation"
//
//		"github.com/tenhop/tenhop/middleware/hop"
//		"github.com/tenhop/tenhop/middleware/messaging"
//	)
//
//	var system = messaging.System{Name: "memory"}
//
//	type message struct {
//		sent    time.Time
//		headers propagation.MapCarrier
//		body    string
//	}
//
//	func main() {
//		queue := make(chan message, 1)
//		producer, consumer := messaging.NewProducer(system), messaging.NewConsumer(system)
//
//		m := message{time.Now(), propagation.MapCarrier{}, "one lamp"}
//		var s messaging.Sending
//		producer.Begin(context.Background(), &s, "orders.placed", m.headers)
//		queue <- m
//		s.End(nil)
//
//		m = <-queue
//		d := messaging.Delivery{Destination: "orders.placed", Produced: m.sent, Carrier: m.headers}
//		_ = messaging.Process(context.Background(), consumer, &messaging.Processing{}, &d, m,
//			func(ctx context.Context, m message) error {
//				hop.Logger(ctx).Info(m.body)
//				return nil
//			})
//	}
//
// An adapter creates a Producer or a Consumer once. It embeds a Sending or a
// Processing in its own record of each message. When a send blocks its caller, the
// adapter calls System.Wait before it and End after it.
package messaging
