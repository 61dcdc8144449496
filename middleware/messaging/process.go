package messaging

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
)

const verbProcess = "process"

// Consumer measures the messages that a service processes.
type Consumer struct{ destinations destinations }

// NewConsumer returns a Consumer for a system. It panics for a nil option and for a
// registry that refuses its metrics.
func NewConsumer(system System, opts ...Option) *Consumer {
	c := configure(system, opts)
	return &Consumer{destinations: destinations{config: c, verb: verbProcess,
		active: must(c.core.RegisterGauge("messaging_process_active", "Messages being processed.", "messaging_destination_name")),
		family: must(c.core.RequestHistogram("messaging_process_duration_seconds", "Duration of processing a message.",
			"messaging_system", "messaging_operation_name", "messaging_destination_name", "error_type")),
	}}
}

// Delivery describes a message to a Consumer.
type Delivery struct {
	Destination string
	Produced    time.Time                  // start of the queue wait; unknown at or before 1970, which reports no wait
	Carrier     propagation.TextMapCarrier // its headers

	// Attributes are up to two further attributes of the span, such as partition and
	// offset. Those without a key are ignored.
	Attributes [2]attribute.KeyValue
}

// unknown is the queue wait of a message without a time of production.
const unknown = time.Duration(-1)

// Processing is the processing of one message or of one batch. Its zero value is
// ready to use. It must not be reused.
type Processing struct {
	consumer    *Consumer
	destination *destination
	hop         adapter.Hop
	attrs       [2]attribute.KeyValue
	waited      time.Duration // or unknown
}

// Process calls fn with a message, in a span that is a child of the producer's
// span. It returns the error of fn. A panic of fn is reported in all signals and
// continues. An error of fn after ctx was canceled is not a failure of the message:
// its error.type is consumer_closed and its span's status is unset.
func Process[M any](ctx context.Context, c *Consumer, p *Processing, d *Delivery, m M, fn func(context.Context, M) error) (err error) {
	ctx = p.begin(ctx, c, d)
	returned := false
	defer p.recover(ctx, &returned, &err)
	if err = inject(ctx, c, p, m); err == nil {
		err = fn(ctx, m)
	}
	returned = true
	return err
}

// ProcessBatch calls fn with a batch of messages. describe returns the Delivery of
// a message. The batch has one span with links to the producers' spans, since it
// belongs to no single request. The queue wait is the longest known one in the
// batch. Batches of several destinations are recorded under _OTHER.
func ProcessBatch[M any](ctx context.Context, c *Consumer, batch []M, describe func(*M) Delivery, fn func(context.Context, []M) error) (err error) {
	if len(batch) == 0 {
		return fn(ctx, batch)
	}
	var all Delivery
	for i := range batch {
		d := describe(&batch[i])
		switch {
		case i == 0:
			all.Destination = d.Destination
		case d.Destination != all.Destination:
			all.Destination = adapter.Overflow
		}
		if known(d.Produced) && (!known(all.Produced) || d.Produced.Before(all.Produced)) {
			all.Produced = d.Produced
		}
	}
	all.Attributes[0] = adapter.AttrMessagingBatch.Int(len(batch))
	p := &Processing{}
	ctx = p.begin(ctx, c, &all)
	if span := p.hop.Span(); span.IsRecording() {
		for i := range batch {
			if sc := c.destinations.core.SpanContextOf(describe(&batch[i]).Carrier); sc.IsValid() {
				span.AddLink(trace.Link{SpanContext: sc})
			}
		}
	}
	returned := false
	defer p.recover(ctx, &returned, &err)
	if err = inject(ctx, c, p, batch); err == nil {
		err = fn(ctx, batch)
	}
	returned = true
	return err
}

// inject applies the faults in force. Without an injector it does not convert m to an
// interface, which may allocate.
func inject[M any](ctx context.Context, c *Consumer, p *Processing, m M) error {
	if c.destinations.chaos == nil {
		return nil
	}
	return c.destinations.chaos.Apply(ctx, p.destination.operation, m)
}

// known reports whether a time of production is known. Brokers write 0 or -1 ms for
// unknown ones.
func known(produced time.Time) bool { return produced.Unix() > 0 }

// begin starts the hop. It leaves the Delivery's attributes to the span's end, so that
// the span's slice of attributes grows only once.
func (p *Processing) begin(ctx context.Context, c *Consumer, d *Delivery) context.Context {
	p.consumer, p.destination, p.attrs = c, c.destinations.of(d.Destination), d.Attributes
	in := adapter.Incoming{Protocol: c.destinations.system.Name, Operation: p.destination.operation, SpanKind: trace.SpanKindConsumer,
		Fixed: p.destination.attrs, Carrier: d.Carrier, Async: true}
	if p.destination.shared { // names on spans are unbounded
		in.Attributes = []attribute.KeyValue{adapter.AttrMessagingTopic.String(c.destinations.whole(d.Destination))}
	}
	ctx = c.destinations.core.BeginInto(ctx, &p.hop, &in)
	p.destination.active.Inc()
	p.waited = unknown
	if known(d.Produced) {
		p.waited = max(p.hop.Start().Sub(d.Produced), 0) // the clocks of two machines may differ
	}
	return ctx
}

// recover reports the outcome, including that of a handler that did not return.
func (p *Processing) recover(ctx context.Context, returned *bool, err *error) {
	if *returned {
		p.end(ctx, *err, false)
		return
	}
	v := recover() // nil after runtime.Goexit, which continues on its own
	p.end(ctx, adapter.PanicError(v), true)
	if v != nil {
		panic(v)
	}
}

// errorInterrupted is the error.type of a message whose consumer was stopped while fn
// ran, by a rebalance or a shutdown. The message is delivered again, so that it is not a
// failure. Any error under a canceled context counts, since each call words it its own
// way.
const errorInterrupted = "consumer_closed"

func (p *Processing) end(ctx context.Context, err error, panicked bool) {
	p.destination.active.Dec()
	ds := &p.consumer.destinations
	out := adapter.Outcome{Level: slog.LevelInfo, Message: "record", Err: err, StatusName: "ok", Queued: true, QueueWait: p.waited}
	switch {
	case panicked:
		out.ErrorType = adapter.ErrorPanic
	case err != nil && errors.Is(ctx.Err(), context.Canceled):
		out.ErrorType, out.StatusName = errorInterrupted, "interrupted"
	default:
		out.ErrorType = ds.errorType(err)
	}
	if out.ErrorType != "" && out.ErrorType != errorInterrupted {
		out.Failed, out.Level, out.StatusName = true, slog.LevelError, "error"
	}
	if p.hop.Span().IsRecording() {
		room := adapter.BorrowAttributes()
		defer room.Return()
		out.Attrs = room[:0]
		if p.waited != unknown {
			out.Attrs = append(out.Attrs, attrQueueWait.Float64(float64(p.waited.Microseconds())/1000))
		}
		for _, a := range p.attrs {
			if a.Key != "" {
				out.Attrs = append(out.Attrs, a)
			}
		}
	}
	out.Series = ds.seriesOf(p.destination, out.ErrorType)
	p.hop.End(out)
}

// attrQueueWait is the message's queue wait in milliseconds.
const attrQueueWait = attribute.Key("hop.queue_wait_ms")
