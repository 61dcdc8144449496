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
	return &consumer{config: c, topics: topics{verb: verbProcess,
		active: must(hop.RegisterGauge(c.telemetry, "messaging_process_active", "Messages being processed.", "messaging_destination_name")),
		series: func(topic, errorType string) *hop.Series { return d.With(systemName, verbProcess, topic, errorType) },
	}}
}

// processing is what one record, or one batch, needs beyond its hop.
type processing struct {
	consumer *consumer
	topic    *topic
	hop      *hop.Hop
	carrier  carrier
	waited   time.Duration
	attrs    [12]attribute.KeyValue
}

func (c *consumer) handle(ctx context.Context, r *kgo.Record, fn RecordFunc) (err error) {
	p := &processing{consumer: c, topic: c.topics.of(r.Topic), carrier: carrier{record: r}}
	attrs := append(attributes(p.attrs[:0], r.Topic, verbProcess),
		hop.AttrMessagingPartition.String(strconv.Itoa(int(r.Partition))), hop.AttrKafkaOffset.Int64(r.Offset))
	ctx = p.begin(ctx, attrs, &p.carrier, r.Timestamp)
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
	p := &processing{consumer: c, topic: c.topics.of(name)}
	attrs := append(attributes(p.attrs[:0], name, verbProcess), hop.AttrMessagingBatch.Int(len(records)))
	ctx = p.begin(ctx, attrs, nil, oldest)
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

// begin starts the hop; headers is nil for a batch.
func (p *processing) begin(ctx context.Context, attrs []attribute.KeyValue, headers *carrier, produced time.Time) context.Context {
	c := p.consumer
	if c.group != "" {
		attrs = append(attrs, hop.AttrMessagingGroup.String(c.group))
	}
	in := hop.Incoming{Protocol: systemName, Operation: p.topic.operation, SpanKind: trace.SpanKindConsumer, Attributes: attrs, Async: true}
	if headers != nil {
		in.Carrier = headers
	}
	ctx, p.hop = c.telemetry.Begin(ctx, in)
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
	out.Attrs = append(p.attrs[:0], attrQueueWait.Float64(float64(p.waited.Microseconds())/1000))
	start, sc := p.hop.Start(), p.hop.Span().SpanContext()
	t := p.hop.End(out)
	p.consumer.topics.seriesOf(p.topic, out.ErrorType).Observe(t.Duration, start.Add(t.Duration), sc)
}

// attrQueueWait is the record's queue wait in milliseconds.
const attrQueueWait = attribute.Key("hop.queue_wait_ms")
