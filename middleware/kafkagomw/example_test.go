package kafkagomw_test

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/kafkagomw"
)

func ExampleHandler() {
	handle := kafkagomw.Handler(func(ctx context.Context, m kafka.Message) error {
		hop.Zerolog(ctx).Info().Int64("offset", m.Offset).Msg("shipping")
		return nil
	}, kafkagomw.WithConsumerGroup("shipping"))
	_ = handle(context.Background(), kafka.Message{Topic: "orders.placed"})
}

func ExampleBatchHandler() {
	handle := kafkagomw.BatchHandler(func(context.Context, []kafka.Message) error { return nil })
	_ = handle(context.Background(), nil)
}

// kafka-go waits up to BatchTimeout, one second unless set, for a batch to fill:
// it is part of the send span and of the hop's wait.
func ExampleNewWriter() {
	writer := kafkagomw.NewWriter(&kafka.Writer{Addr: kafka.TCP("kafka:9092"), BatchTimeout: 5 * time.Millisecond, RequiredAcks: kafka.RequireAll})
	defer writer.Close()
}
