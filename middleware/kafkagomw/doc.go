// Package kafkagomw measures Kafka producers and consumers that use
// segmentio/kafka-go. Each message has a span in the producer's trace, a queue
// wait, RED metrics with exemplars, a log line and a self time.
//
// A complete program that handles one topic and sends to another:
//
//	package main
//
//	import (
//		"context"
//		"log"
//
//		"github.com/segmentio/kafka-go"
//
//		"github.com/tenhop/tenhop/middleware/kafkagomw"
//	)
//
//	func main() {
//		writer := kafkagomw.NewWriter(&kafka.Writer{Addr: kafka.TCP("kafka:9092"), Topic: "shipments.created", RequiredAcks: kafka.RequireAll})
//		handle := kafkagomw.Handler(func(ctx context.Context, m kafka.Message) error {
//			return writer.WriteMessages(ctx, kafka.Message{Value: m.Value})
//		}, kafkagomw.WithConsumerGroup("shipping"))
//		reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{"kafka:9092"}, GroupID: "shipping", Topic: "orders.placed"})
//		for {
//			m, err := reader.FetchMessage(context.Background())
//			if err != nil {
//				log.Fatal(err)
//			}
//			if err := handle(context.Background(), m); err != nil {
//				log.Fatal(err) // not committed, so it is delivered again
//			}
//			if err := reader.CommitMessages(context.Background(), m); err != nil {
//				log.Fatal(err)
//			}
//		}
//	}
//
// A process span is a child of the producer's span and follows its sampling
// decision. No signal has the message's key, which may be personal data.
package kafkagomw
