package kafkamw

import (
	"context"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/messaging"
)

// RecordFunc handles one record.
type RecordFunc func(context.Context, *kgo.Record) error

// BatchFunc handles a batch of records.
type BatchFunc func(context.Context, []*kgo.Record) error

// Handler returns a function that calls fn and measures it. Each record has a
// process span, which is a child of the producer's span. The queue wait runs from
// the record's timestamp to the start of fn. A panic of fn is reported in all
// signals and continues. Handler panics for a nil fn or option and
// for a registry that refuses its metrics.
func Handler(fn RecordFunc, opts ...Option) RecordFunc {
	if fn == nil {
		panic("kafkamw: Handler: nil function")
	}
	c := messaging.NewConsumer(system, opts...)
	return func(ctx context.Context, r *kgo.Record) error {
		p := &processing{carrier: carrier{record: r}}
		d := messaging.Delivery{Destination: r.Topic, Produced: r.Timestamp, Carrier: &p.carrier,
			Attributes: [2]attribute.KeyValue{adapter.AttrMessagingPartition.String(strconv.Itoa(int(r.Partition))), adapter.AttrKafkaOffset.Int64(r.Offset)}}
		return messaging.Process(ctx, c, &p.Processing, &d, r, fn)
	}
}

// processing holds one record, in one allocation.
type processing struct {
	messaging.Processing
	carrier carrier
}

// BatchHandler returns a function that calls fn with a batch and measures it. A
// batch has one span with links to the producers' spans, since it belongs to no
// single request. The queue wait is the longest one in the batch. Batches of
// several topics are recorded under _OTHER.
func BatchHandler(fn BatchFunc, opts ...Option) BatchFunc {
	if fn == nil {
		panic("kafkamw: BatchHandler: nil function")
	}
	c := messaging.NewConsumer(system, opts...)
	return func(ctx context.Context, records []*kgo.Record) error {
		return messaging.ProcessBatch(ctx, c, records, describe, fn)
	}
}

func describe(r **kgo.Record) messaging.Delivery {
	return messaging.Delivery{Destination: (*r).Topic, Produced: (*r).Timestamp, Carrier: &carrier{record: *r}}
}
