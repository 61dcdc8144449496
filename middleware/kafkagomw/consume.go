package kafkagomw

import (
	"context"
	"strconv"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/attribute"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/messaging"
)

// MessageFunc handles one message.
type MessageFunc func(context.Context, kafka.Message) error

// BatchFunc handles a batch of messages.
type BatchFunc func(context.Context, []kafka.Message) error

// Handler measures fn: one process span per message, child of the producer's.
// The queue wait is the time from the message's time to fn's start. A panic is
// reported in all signals and goes on. To commit is the caller's.
func Handler(fn MessageFunc, opts ...Option) MessageFunc {
	if fn == nil {
		panic("kafkagomw: Handler: nil function")
	}
	c := messaging.NewConsumer(system, opts...)
	return func(ctx context.Context, m kafka.Message) error {
		p := &processing{carrier: carrier{headers: m.Headers}}
		d := messaging.Delivery{Destination: m.Topic, Produced: m.Time, Carrier: &p.carrier,
			Attributes: [2]attribute.KeyValue{adapter.AttrMessagingPartition.String(strconv.Itoa(m.Partition)), adapter.AttrKafkaOffset.Int64(m.Offset)}}
		return messaging.Process(ctx, c, &p.Processing, &d, m, fn)
	}
}

// processing is what one message needs, in one allocation.
type processing struct {
	messaging.Processing
	carrier carrier
}

// BatchHandler measures fn over messages that the caller has fetched together:
// one span that links to the producers' spans, since a batch belongs to no
// single request. The queue wait is that of the message that waited longest.
// Batches of several topics count under _OTHER.
func BatchHandler(fn BatchFunc, opts ...Option) BatchFunc {
	if fn == nil {
		panic("kafkagomw: BatchHandler: nil function")
	}
	c := messaging.NewConsumer(system, opts...)
	return func(ctx context.Context, messages []kafka.Message) error {
		return messaging.ProcessBatch(ctx, c, messages, describe, fn)
	}
}

func describe(m *kafka.Message) messaging.Delivery {
	return messaging.Delivery{Destination: m.Topic, Produced: m.Time, Carrier: &carrier{headers: m.Headers}}
}
