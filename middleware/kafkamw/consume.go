package kafkamw

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
)

// RecordFunc handles one record.
type RecordFunc func(context.Context, *kgo.Record) error

// BatchFunc handles a batch of records.
type BatchFunc func(context.Context, []*kgo.Record) error

// Handler measures fn: one process span per record, child of the producer's.
// The queue wait is the time from the record's timestamp to fn's start. A panic
// is reported in all signals and goes on.
func Handler(fn RecordFunc, opts ...Option) RecordFunc {
	if fn == nil {
		panic("kafkamw: Handler: nil function")
	}
	c := newConsumer(configure(opts))
	return func(ctx context.Context, r *kgo.Record) error { return c.handle(ctx, r, fn) }
}

// BatchHandler measures fn over a batch: one span that links to the producers'
// spans, since a batch belongs to no single request. The queue wait is that of
// the record that waited longest. Batches of several topics count under _OTHER.
func BatchHandler(fn BatchFunc, opts ...Option) BatchFunc {
	if fn == nil {
		panic("kafkamw: BatchHandler: nil function")
	}
	c := newConsumer(configure(opts))
	return func(ctx context.Context, records []*kgo.Record) error { return c.handleBatch(ctx, records, fn) }
}

const verbProcess = "process"

type consumer struct {
	config
	topics topics
}

func newConsumer(c config) *consumer {
	d := must(c.telemetry.RequestHistogram("messaging_process_duration_seconds", "Duration of processing a message.",
		"messaging_system", "messaging_operation_name", "messaging_destination_name", "error_type"))
	return &consumer{config: c, topics: topics{verb: verbProcess, group: c.group,
		active: must(hop.RegisterGauge(c.telemetry, "messaging_process_active", "Messages being processed.", "messaging_destination_name")),
		series: func(topic, errorType string) *hop.Series { return d.With(systemName, verbProcess, topic, errorType) },
	}}
}

// processing is what one record, or one batch, needs beyond its hop.
type processing struct {
	consumer *consumer
	topic    *topic
	record   *kgo.Record // nil for a batch
	batch    int         // its size
	hop      hop.Hop
	carrier  carrier
	waited   time.Duration
}

func (c *consumer) handle(ctx context.Context, r *kgo.Record, fn RecordFunc) (err error) {
	p := &processing{consumer: c, topic: c.topics.of(r.Topic), record: r, carrier: carrier{record: r}}
	ctx = p.begin(ctx, r.Topic, r.Timestamp)
	returned := false
	defer p.recover(&returned, &err)
	if err = c.chaos.Apply(ctx, p.topic.operation, r); err == nil {
		err = fn(ctx, r)
	}
	returned = true
	return err
}

func (c *consumer) handleBatch(ctx context.Context, records []*kgo.Record, fn BatchFunc) (err error) {
	if len(records) == 0 {
		return fn(ctx, records)
	}
	name, oldest := records[0].Topic, records[0].Timestamp
	for _, r := range records[1:] {
		if r.Topic != name {
			name = hop.Overflow
		}
		if r.Timestamp.Before(oldest) {
			oldest = r.Timestamp
		}
	}
	p := &processing{consumer: c, topic: c.topics.of(name), batch: len(records)}
	ctx = p.begin(ctx, name, oldest)
	if span := p.hop.Span(); span.IsRecording() {
		for _, r := range records {
			if sc := c.telemetry.SpanContextOf(&carrier{record: r}); sc.IsValid() {
				span.AddLink(trace.Link{SpanContext: sc})
			}
		}
	}
	returned := false
	defer p.recover(&returned, &err)
	if err = c.chaos.Apply(ctx, p.topic.operation, records); err == nil {
		err = fn(ctx, records)
	}
	returned = true
	return err
}

// begin starts the hop. Partition and offset follow at its end: a slice of
// attributes that is only doubled once is cheaper.
func (p *processing) begin(ctx context.Context, topic string, produced time.Time) context.Context {
	c := p.consumer
	in := hop.Incoming{Protocol: systemName, Operation: p.topic.operation, SpanKind: trace.SpanKindConsumer, Fixed: p.topic.attrs, Async: true}
	if p.record != nil {
		in.Carrier = &p.carrier
	}
	if topic != p.topic.name { // beyond the bound of names, which spans do not need
		in.Attributes = []attribute.KeyValue{hop.AttrMessagingTopic.String(topic)}
	}
	ctx = c.telemetry.BeginInto(ctx, &p.hop, &in)
	p.topic.active.Inc()
	if !produced.IsZero() {
		p.waited = max(p.hop.Start().Sub(produced), 0) // clocks of two machines may disagree
	}
	return ctx
}

var errGoexit = errors.New("the handler's goroutine exited")

// recover reports the outcome, also of a handler that did not return.
func (p *processing) recover(returned *bool, err *error) {
	if *returned {
		p.end(*err, nil)
		return
	}
	v := recover() // nil after runtime.Goexit, which goes on by itself
	if v == nil {
		p.end(nil, errGoexit)
		return
	}
	p.end(nil, v)
	panic(v)
}

func (p *processing) end(err error, panicked any) {
	p.topic.active.Dec()
	out := hop.Outcome{Level: zerolog.InfoLevel, Message: "record", Err: err, StatusName: "ok", Queued: true, QueueWait: p.waited}
	if panicked != nil {
		out.Err, out.ErrorType = fmt.Errorf("panic: %v", panicked), "panic"
	} else {
		out.ErrorType = errorType(err)
	}
	if out.ErrorType != "" {
		out.Failed, out.Level, out.StatusName = true, zerolog.ErrorLevel, "error"
	}
	start, span := p.hop.Start(), p.hop.Span()
	if span.IsRecording() {
		attrs := hop.BorrowAttributes()
		defer attrs.Return()
		out.Attrs = append(attrs[:0], attrQueueWait.Float64(float64(p.waited.Microseconds())/1000))
		if r := p.record; r != nil {
			out.Attrs = append(out.Attrs, hop.AttrMessagingPartition.String(strconv.Itoa(int(r.Partition))), hop.AttrKafkaOffset.Int64(r.Offset))
		} else {
			out.Attrs = append(out.Attrs, hop.AttrMessagingBatch.Int(p.batch))
		}
	}
	t := p.hop.End(out)
	p.consumer.topics.seriesOf(p.topic, out.ErrorType).Observe(t.Duration, start.Add(t.Duration), span.SpanContext())
}

// attrQueueWait is the record's queue wait in milliseconds.
const attrQueueWait = attribute.Key("hop.queue_wait_ms")
