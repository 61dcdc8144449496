package setup

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// spanQueue is the SDK's batch processor with a count of its dropped spans
// (open-telemetry/opentelemetry-go#5557). Spans ended minus spans exported are queued or
// lost. Beyond the queue's size they are lost.
type spanQueue struct {
	sdktrace.SpanProcessor
	queued  *atomic.Int64
	size    int64
	dropped prometheus.Counter
}

func newSpanQueue(exp sdktrace.SpanExporter, reg prometheus.Registerer, c *exportWarnings) *spanQueue {
	size := queueSize("BSP")
	dropped, failed := spanCounters(reg)
	queued := &atomic.Int64{}
	registerQueued(reg, func() float64 { return float64(queued.Load()) })
	inner := sdktrace.NewBatchSpanProcessor(&countedSpans{SpanExporter: exp, queued: queued, dropped: dropped, failed: failed, exportWarnings: c},
		spanBatches()...)
	return &spanQueue{SpanProcessor: inner, queued: queued, size: int64(size), dropped: dropped}
}

// spanCounters returns the counters of lost spans and of failed exports.
func spanCounters(reg prometheus.Registerer) (dropped, failed prometheus.Counter) {
	dropped = registered(reg, prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tenhop_spans_dropped_total", Help: "Spans that were not exported: the queue was full or the exporter failed.",
	}))
	failed = registered(reg, prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tenhop_span_exports_failed_total", Help: "Batches of spans that the exporter gave up on.",
	}))
	return dropped, failed
}

// registerQueued registers the gauge of queued spans. A second Start with the registry
// keeps the first one's.
func registerQueued(reg prometheus.Registerer, queued func() float64) {
	_ = reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tenhop_spans_queued", Help: "Spans that wait for export.",
	}, queued))
}

// spanBatches returns the options of OTEL_BSP_*.
func spanBatches() []sdktrace.BatchSpanProcessorOption {
	return []sdktrace.BatchSpanProcessorOption{
		sdktrace.WithMaxQueueSize(queueSize("BSP")), sdktrace.WithMaxExportBatchSize(batchSize("BSP")),
		sdktrace.WithBatchTimeout(duration("OTEL_BSP_SCHEDULE_DELAY", sdktrace.DefaultScheduleDelay*time.Millisecond)),
		sdktrace.WithExportTimeout(timeout("OTEL_BSP_EXPORT_TIMEOUT", sdktrace.DefaultExportTimeout*time.Millisecond)),
	}
}

// queueSize returns the capacity of a processor's queue, BSP or BLRP. Spans and log
// records share the default.
func queueSize(processor string) int {
	return number(sdktrace.DefaultMaxQueueSize, "OTEL_"+processor+"_MAX_QUEUE_SIZE")
}

// batchSize returns the size of a processor's batch. The default fits into a small queue.
func batchSize(processor string) int {
	return number(min(sdktrace.DefaultMaxExportBatchSize, queueSize(processor)), "OTEL_"+processor+"_MAX_EXPORT_BATCH_SIZE")
}

// registered registers c, or returns the counter that an earlier Start registered under
// its name. It then counts the drops of both.
func registered(reg prometheus.Registerer, c prometheus.Counter) prometheus.Counter {
	var again prometheus.AlreadyRegisteredError
	if errors.As(reg.Register(c), &again) {
		if before, ok := again.ExistingCollector.(prometheus.Counter); ok {
			return before
		}
	}
	return c
}

// OnEnd passes the span to the batch processor unless its queue is full.
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
	exportWarnings  *exportWarnings
}

func (e *countedSpans) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	ctx, cancel := e.exportWarnings.bounded(ctx)
	defer cancel()
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.queued.Add(-int64(len(spans)))
	if err != nil {
		e.failed.Inc()
		lost := len(spans)
		if n, partial := rejected(err); partial {
			lost = min(n, lost)
		}
		e.dropped.Add(float64(lost))
		return e.exportWarnings.failed("spans", lost, err)
	}
	return nil
}
