package saramamw

import (
	"context"
	"strconv"

	"github.com/IBM/sarama"
	"go.opentelemetry.io/otel/attribute"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/messaging"
)

// MessageFunc handles one message.
type MessageFunc func(context.Context, *sarama.ConsumerMessage) error

// BatchFunc handles a batch of messages.
type BatchFunc func(context.Context, []*sarama.ConsumerMessage) error

// Handler returns a function that calls fn and measures it. Each message has a
// process span, which is a child of the producer's span. The queue wait runs from
// the message's timestamp to the start of fn. A panic of fn is reported in all
// signals and continues. Handler panics for a nil fn or option and
// for a registry that refuses its metrics.
func Handler(fn MessageFunc, opts ...Option) MessageFunc {
	if fn == nil {
		panic("saramamw: Handler: nil function")
	}
	c := messaging.NewConsumer(system, opts...)
	return func(ctx context.Context, m *sarama.ConsumerMessage) error {
		p := &processing{carrier: consumed{m}}
		d := messaging.Delivery{Destination: m.Topic, Produced: m.Timestamp, Carrier: &p.carrier,
			Attributes: [2]attribute.KeyValue{adapter.AttrMessagingPartition.String(strconv.Itoa(int(m.Partition))), adapter.AttrKafkaOffset.Int64(m.Offset)}}
		return messaging.Process(ctx, c, &p.Processing, &d, m, fn)
	}
}

// processing holds one message, in one allocation.
type processing struct {
	messaging.Processing
	carrier consumed
}

// BatchHandler returns a function that calls fn with a batch and measures it. A
// batch has one span with links to the producers' spans, since it belongs to no
// single request. The queue wait is the longest one in the batch. Batches of
// several topics are recorded under _OTHER.
func BatchHandler(fn BatchFunc, opts ...Option) BatchFunc {
	if fn == nil {
		panic("saramamw: BatchHandler: nil function")
	}
	c := messaging.NewConsumer(system, opts...)
	return func(ctx context.Context, messages []*sarama.ConsumerMessage) error {
		return messaging.ProcessBatch(ctx, c, messages, describe, fn)
	}
}

func describe(m **sarama.ConsumerMessage) messaging.Delivery {
	return messaging.Delivery{Destination: (*m).Topic, Produced: (*m).Timestamp, Carrier: &consumed{*m}}
}

// GroupHandler returns a consumer group's handler that calls fn and marks each
// message that fn has handled. An error of fn ends the claim before its message is
// marked, so that Consume returns and the message is delivered again. To skip a
// message, return nil. An error while the session ends, as in a rebalance, is not
// reported as a failure: the next owner of the partition gets the message.
func GroupHandler(fn MessageFunc, opts ...Option) sarama.ConsumerGroupHandler {
	if fn == nil {
		panic("saramamw: GroupHandler: nil function")
	}
	return groupHandler{handle: Handler(fn, opts...)}
}

var _ sarama.ConsumerGroupHandler = groupHandler{}

type groupHandler struct{ handle MessageFunc }

// Setup does nothing.
func (groupHandler) Setup(sarama.ConsumerGroupSession) error { return nil }

// Cleanup does nothing.
func (groupHandler) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim handles the messages of the claim in order until the session ends.
func (g groupHandler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case <-session.Context().Done():
			return nil
		case m, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			if err := g.handle(session.Context(), m); err != nil {
				return err
			}
			session.MarkMessage(m, "")
		}
	}
}
