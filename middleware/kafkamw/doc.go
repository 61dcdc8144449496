// Package kafkamw measures Kafka producers and consumers that use franz-go. Each
// record has a span in the producer's trace, a queue wait, RED metrics with
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
//		"github.com/twmb/franz-go/pkg/kgo"
//
//		"github.com/tenhop/tenhop/middleware/kafkamw"
//	)
//
//	func main() {
//		opts := append(kafkamw.ClientOptions(), kgo.SeedBrokers("kafka:9092"),
//			kgo.ConsumerGroup("shipping"), kgo.ConsumeTopics("orders.placed"))
//		cl, err := kgo.NewClient(opts...)
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer cl.Close()
//		handle := kafkamw.Handler(func(ctx context.Context, r *kgo.Record) error {
//			return kafkamw.Produce(ctx, cl, &kgo.Record{Topic: "shipments.created", Value: r.Value})
//		}, kafkamw.WithConsumerGroup("shipping"))
//		for {
//			fetches := cl.PollFetches(context.Background())
//			if fetches.IsClientClosed() {
//				return
//			}
//			fetches.EachRecord(func(r *kgo.Record) { _ = handle(context.Background(), r) })
//		}
//	}
//
// A process span is a child of the producer's span and follows its sampling
// decision. No signal has the record's key, which may be personal data.
package kafkamw
