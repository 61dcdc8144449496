package saramamw_test

import (
	"context"

	"github.com/IBM/sarama"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/saramamw"
)

// Handler is for a ConsumeClaim of your own, or a partition consumer.
func ExampleHandler() {
	handle := saramamw.Handler(func(ctx context.Context, m *sarama.ConsumerMessage) error {
		hop.Zerolog(ctx).Info().Int64("offset", m.Offset).Msg("shipping")
		return nil
	}, saramamw.WithConsumerGroup("shipping"))
	_ = handle(context.Background(), &sarama.ConsumerMessage{Topic: "orders.placed"})
}

func ExampleBatchHandler() {
	handle := saramamw.BatchHandler(func(context.Context, []*sarama.ConsumerMessage) error { return nil })
	_ = handle(context.Background(), nil)
}

func ExampleNewAsyncProducer() {
	cfg := sarama.NewConfig()
	cfg.Producer.Return.Successes = true
	async, err := sarama.NewAsyncProducer([]string{"kafka:9092"}, cfg)
	if err != nil {
		panic(err)
	}
	producer := saramamw.NewAsyncProducer(async, cfg)
	go func() {
		for range producer.Successes() {
		}
	}()
	go func() {
		for err := range producer.Errors() {
			hop.Default().Zerolog().Error().Err(err).Send()
		}
	}()
	_ = producer.Send(context.Background(), &sarama.ProducerMessage{Topic: "orders.placed"})
	producer.AsyncClose()
}
