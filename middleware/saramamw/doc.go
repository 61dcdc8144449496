// Package saramamw measures Kafka producers and consumers that use IBM/sarama. Each
// message has a span in the producer's trace, a queue wait, RED metrics with
// exemplars, a log line and a self time.
//
// A complete program that handles one topic and sends to another:
//
//	package main
//
//	import (
//		"context"
//		"log"
//
//		"github.com/IBM/sarama"
//
//		"github.com/tenhop/tenhop/middleware/saramamw"
//	)
//
//	func main() {
//		cfg := sarama.NewConfig()
//		cfg.Producer.Return.Successes = true
//		sync, err := sarama.NewSyncProducer([]string{"kafka:9092"}, cfg)
//		if err != nil {
//			log.Fatal(err)
//		}
//		group, err := sarama.NewConsumerGroup([]string{"kafka:9092"}, "shipping", cfg)
//		if err != nil {
//			log.Fatal(err)
//		}
//		producer := saramamw.NewSyncProducer(sync)
//		handler := saramamw.GroupHandler(func(ctx context.Context, m *sarama.ConsumerMessage) error {
//			_, _, err := producer.SendMessage(ctx, &sarama.ProducerMessage{Topic: "shipments.created", Value: sarama.ByteEncoder(m.Value)})
//			return err
//		}, saramamw.WithConsumerGroup("shipping"))
//		for {
//			if err := group.Consume(context.Background(), []string{"orders.placed"}, handler); err != nil {
//				log.Fatal(err)
//			}
//		}
//	}
//
// A process span is a child of the producer's span and follows its sampling
// decision. No signal has the message's key, which may be personal data.
package saramamw
