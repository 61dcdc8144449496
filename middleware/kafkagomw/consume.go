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

// Handler returns a function that calls fn and measures it. Each message has a
// process span, which is a child of the producer's span. The queue wait runs from
// the message's time to the start of fn. A panic of fn is reported in all signals
// and continues. The caller commits. Handler panics for a nil fn or option and
// for a registry that refuses its metrics.
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

// processing holds one message, in one allocation.
type processing struct {
	messaging.Processing
	carrier carrier
}

// BatchHandler returns a function that calls fn with messages that the caller has
// fetched together, and measures it. A batch has one span with links to the
// producers' spans, since it belongs to no single request. The queue wait is the
// longest one in the batch. Batches of several topics are recorded under _OTHER.
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
