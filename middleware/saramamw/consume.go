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

// Handler measures fn: one process span per message, child of the producer's.
// The queue wait is the time from the message's timestamp to fn's start. A panic
// is reported in all signals and goes on.
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

// processing is what one message needs, in one allocation.
type processing struct {
	messaging.Processing
	carrier consumed
}

// BatchHandler measures fn over a batch: one span that links to the producers'
// spans, since a batch belongs to no single request. The queue wait is that of
// the message that waited longest. Batches of several topics count under _OTHER.
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

// GroupHandler makes a consumer group's handler of fn. What fn has handled is
// marked. An error of fn ends the claim before its message is marked, so that
// Consume returns and the message comes again with the next one; to skip a
// message or to send it elsewhere, return nil. An error while the session ends,
// as a rebalance does, ends the claim too but is no failure: the message comes
// again, to whoever then has the partition.
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

// ConsumeClaim handles the claim's messages one after the other until the
// session ends.
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
