package kafkamw_test

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/kafkamw"
)

func ExampleHandler() {
	handle := kafkamw.Handler(func(ctx context.Context, r *kgo.Record) error {
		hop.Zerolog(ctx).Info().Int64("offset", r.Offset).Msg("shipping")
		return nil
	}, kafkamw.WithConsumerGroup("shipping"))
	_ = handle(context.Background(), &kgo.Record{Topic: "orders.placed"})
}

func ExampleBatchHandler() {
	handle := kafkamw.BatchHandler(func(context.Context, []*kgo.Record) error { return nil })
	_ = handle(context.Background(), nil)
}

func ExampleClientOptions() {
	cl, err := kgo.NewClient(append(kafkamw.ClientOptions(), kgo.SeedBrokers("kafka:9092"))...)
	if err != nil {
		panic(err)
	}
	defer cl.Close()
}

// A relay publishes outbox rows: each record belongs to the request that wrote
// its row, however much later.
func ExamplePublishWait() {
	publish := func(ctx context.Context, cl *kgo.Client, carried map[string]string, value []byte, committed time.Time) error {
		ctx = hop.Restore(ctx, carried)
		if err := kafkamw.Produce(ctx, cl, &kgo.Record{Topic: "orders.placed", Value: value}); err != nil {
			return err
		}
		kafkamw.PublishWait(ctx, nil, "orders.placed", committed)
		return nil
	}
	_ = publish
}
