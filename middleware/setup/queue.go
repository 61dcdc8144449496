package setup

import (
	"context"
	"errors"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// spanQueue is the SDK's batch processor with its silent drops counted
// (open-telemetry/opentelemetry-go#5557): spans that ended minus spans that
// reached the exporter is what waits or was lost, and beyond the queue's size
// it can only be lost.
type spanQueue struct {
	sdktrace.SpanProcessor
	queued  *atomic.Int64
	size    int64
	dropped prometheus.Counter
}

func newSpanQueue(exp sdktrace.SpanExporter, reg prometheus.Registerer, c *complaints) *spanQueue {
	size := queueSize("OTEL_BSP_MAX_QUEUE_SIZE")
	dropped := registered(reg, prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tenhop_spans_dropped_total", Help: "Spans that were not exported: the queue was full or the exporter failed.",
	}))
	failed := registered(reg, prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tenhop_span_exports_failed_total", Help: "Batches of spans that the exporter gave up on.",
	}))
	queued := &atomic.Int64{}
	_ = reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tenhop_spans_queued", Help: "Spans that wait for export.",
	}, func() float64 { return float64(queued.Load()) })) // a second set-up on one registry keeps the first's
	inner := sdktrace.NewBatchSpanProcessor(&countedSpans{SpanExporter: exp, queued: queued, dropped: dropped, failed: failed, complaints: c},
		sdktrace.WithMaxQueueSize(int(size)))
	return &spanQueue{SpanProcessor: inner, queued: queued, size: size, dropped: dropped}
}

// queueSize is the SDK's queue size, by its environment variable or its default,
// which spans and log records share.
func queueSize(variable string) int64 {
	if n, err := strconv.ParseInt(os.Getenv(variable), 10, 64); err == nil && n > 0 {
		return n
	}
	return sdktrace.DefaultMaxQueueSize
}

// registered registers c, or returns the counter that an earlier set-up
// registered under its name: drops of both are seen there.
func registered(reg prometheus.Registerer, c prometheus.Counter) prometheus.Counter {
	var again prometheus.AlreadyRegisteredError
	if errors.As(reg.Register(c), &again) {
		if before, ok := again.ExistingCollector.(prometheus.Counter); ok {
			return before
		}
	}
	return c
}

// OnEnd hands the span to the batch processor unless its queue is full.
func (q *spanQueue) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if q.queued.Add(1) > q.size {
		q.queued.Add(-1)
		q.dropped.Inc()
		return
	}
	q.SpanProcessor.OnEnd(s)
}

type countedSpans struct {
	sdktrace.SpanExporter
	queued          *atomic.Int64
	dropped, failed prometheus.Counter
	complaints      *complaints
}

func (e *countedSpans) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.queued.Add(-int64(len(spans)))
	if err != nil {
		e.failed.Inc()
		e.dropped.Add(float64(len(spans)))
		return e.complaints.failed(len(spans), err)
	}
	return nil
}
