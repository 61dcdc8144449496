package kafkamw_test

import (
	"context"
	"log"
	"net/http"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/kafkamw"
)

// A service that handles one topic, sends to another and is scraped.
func Example_service() {
	opts := append(kafkamw.ClientOptions(), kgo.SeedBrokers("kafka:9092"),
		kgo.ConsumerGroup("shipping"), kgo.ConsumeTopics("orders.placed"))
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		log.Fatal(err)
	}
	defer cl.Close()
	handle := kafkamw.Handler(func(ctx context.Context, r *kgo.Record) error {
		return kafkamw.Produce(ctx, cl, &kgo.Record{Topic: "shipments.created", Value: r.Value})
	}, kafkamw.WithConsumerGroup("shipping"))
	http.Handle("GET /metrics", hop.Default().MetricsHandler())
	go func() { log.Print(http.ListenAndServe(":9100", nil)) }()
	for {
		fetches := cl.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		fetches.EachRecord(func(r *kgo.Record) { _ = handle(context.Background(), r) })
	}
}
