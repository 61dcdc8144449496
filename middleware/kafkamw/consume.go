package kafkamw

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/hop"
)

// RecordFunc handles one record.
type RecordFunc func(context.Context, *kgo.Record) error

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

type consumer struct {
	config
	duration *hop.Histogram
	active   *prometheus.GaugeVec
}

func newConsumer(c config) *consumer {
	return &consumer{config: c,
		duration: must(c.telemetry.RequestHistogram("messaging_process_duration_seconds", "Duration of processing a message.",
			"messaging_system", "messaging_operation_name", "messaging_destination_name", "error_type")),
		active: must(hop.RegisterGauge(c.telemetry, "messaging_process_active", "Messages being processed.", "messaging_destination_name")),
	}
}

func (c *consumer) handle(ctx context.Context, r *kgo.Record, fn RecordFunc) (err error) {
	operation := "process " + r.Topic
	attrs := append(attributes(r.Topic, "process", "process"),
		attribute.Int("messaging.destination.partition.id", int(r.Partition)),
		attribute.Int64("messaging.kafka.offset", r.Offset))
	if c.group != "" {
		attrs = append(attrs, attribute.String("messaging.consumer.group.name", c.group))
	}
	ctx, h := c.telemetry.Begin(ctx, hop.Incoming{
		Protocol: "kafka", Operation: operation, SpanKind: trace.SpanKindConsumer,
		Carrier: carrier{r}, Attributes: attrs, Async: true,
	})
	active := c.active.WithLabelValues(r.Topic)
	active.Inc()
	waited := h.Start().Sub(r.Timestamp)
	defer func() {
		active.Dec()
		p := recover()
		c.end(h, r, waited, err, p)
		if p != nil {
			panic(p)
		}
	}()
	if err := c.chaos.Apply(ctx, operation, r); err != nil {
		var e *chaos.Error
		if errors.As(err, &e) {
			return e
		}
		return err
	}
	return fn(ctx, r)
}

func (c *consumer) end(h *hop.Hop, r *kgo.Record, waited time.Duration, err error, panicked any) {
	out := hop.Outcome{Level: zerolog.InfoLevel, Message: "record", Err: err, Queued: true, QueueWait: max(waited, 0)}
	if panicked != nil {
		out.Err, out.ErrorType = fmt.Errorf("panic: %v", panicked), "panic"
	} else {
		out.ErrorType = errorType(err)
	}
	status := "ok"
	if out.ErrorType != "" {
		out.Failed, out.Level, status = true, zerolog.ErrorLevel, "error"
	}
	out.Status = func(e *zerolog.Event) { e.Str("status", status).Float64("queue_wait_ms", float64(waited.Microseconds())/1000) }
	out.Attrs = []attribute.KeyValue{attribute.Float64("hop.queue_wait_ms", float64(waited.Microseconds())/1000)}
	now, sc := c.telemetry.Now(), h.Span().SpanContext()
	t := h.End(out)
	c.duration.Observe(t.Duration, now, sc, "kafka", "process", r.Topic, out.ErrorType)
}

// BatchFunc handles a batch of records.
type BatchFunc func(context.Context, []*kgo.Record) error

// BatchHandler measures fn over a batch: one span that links to the producers'
// spans, since a batch belongs to no single request.
func BatchHandler(fn BatchFunc, opts ...Option) BatchFunc {
	if fn == nil {
		panic("kafkamw: BatchHandler: nil function")
	}
	c := newConsumer(configure(opts))
	return func(ctx context.Context, records []*kgo.Record) (err error) {
		if len(records) == 0 {
			return fn(ctx, records)
		}
		first := records[0]
		attrs := append(attributes(first.Topic, "process", "process"), attribute.Int("messaging.batch.message_count", len(records)))
		ctx, h := c.telemetry.Begin(ctx, hop.Incoming{
			Protocol: "kafka", Operation: "process " + first.Topic, SpanKind: trace.SpanKindConsumer, Attributes: attrs, Async: true,
		})
		for _, r := range records {
			if sc := c.telemetry.SpanContextOf(carrier{r}); sc.IsValid() {
				h.Span().AddLink(trace.Link{SpanContext: sc})
			}
		}
		active := c.active.WithLabelValues(first.Topic)
		active.Inc()
		waited := h.Start().Sub(first.Timestamp)
		defer func() {
			active.Dec()
			p := recover()
			c.end(h, first, waited, err, p)
			if p != nil {
				panic(p)
			}
		}()
		return fn(ctx, records)
	}
}
