package otlpspan

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// maxBatchBytes is the size at which a batch is full, whatever its number of spans.
// Collectors refuse gRPC messages above 4 MiB by default.
const maxBatchBytes = 2 << 20

// queue holds the encoded spans that wait for export, in batches.
type queue struct {
	export         func(ctx context.Context, resourceSpans []byte, spans int) error
	dropped        func()
	resource       []byte
	size           int64
	batchSize      int
	delay, timeout time.Duration
	queued         atomic.Int64 // spans, with those of an export in progress
	stopped        atomic.Bool

	mu      sync.Mutex
	current *batch
	full    []*batch
	spare   *batch // exported, for reuse; nil without. Garbage collections empty a pool.

	wake    chan struct{} // a batch is full
	flushes chan chan error
	halt    chan struct{}
	ended   chan struct{}
	message []byte // of the goroutine
	err     error  // of the exports after halt, once ended is closed
}

// batch holds the spans of one export by scope. There are few scopes.
type batch struct {
	spans, bytes int
	scopes       []scopeSpans
}

// scopeSpans holds the repeated field spans of a ScopeSpans message.
type scopeSpans struct {
	tracer *tracer
	spans  []byte
}

func newQueue(c Config) *queue {
	q := &queue{
		export: c.Export, dropped: c.Dropped, resource: resourceFields(c.Resource),
		size:      int64(cmp.Or(c.Batch.MaxQueueSize, sdktrace.DefaultMaxQueueSize)),
		batchSize: cmp.Or(c.Batch.MaxExportBatchSize, sdktrace.DefaultMaxExportBatchSize),
		delay:     cmp.Or(c.Batch.BatchTimeout, sdktrace.DefaultScheduleDelay*time.Millisecond),
		timeout:   cmp.Or(c.Batch.ExportTimeout, sdktrace.DefaultExportTimeout*time.Millisecond),
		current:   &batch{},
		wake:      make(chan struct{}, 1),
		flushes:   make(chan chan error),
		halt:      make(chan struct{}),
		ended:     make(chan struct{}),
	}
	q.batchSize = min(q.batchSize, int(q.size))
	go q.run()
	return q
}

// add copies a span into the current batch, or drops it when the queue is full.
func (q *queue) add(t *tracer, span []byte) {
	if q.stopped.Load() {
		return
	}
	if q.queued.Add(1) > q.size {
		q.queued.Add(-1)
		if q.dropped != nil {
			q.dropped()
		}
		return
	}
	q.mu.Lock()
	full := q.current.add(t, span) >= q.batchSize || q.current.bytes >= maxBatchBytes
	if full {
		q.full = append(q.full, q.take())
	}
	q.mu.Unlock()
	if full {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
}

// take returns the current batch and starts another. It is called with the lock held.
func (q *queue) take() *batch {
	b := q.current
	if q.current, q.spare = q.spare, nil; q.current == nil {
		q.current = &batch{}
	}
	return b
}

// reuse keeps an exported batch with the memory of its scopes, unless that exceeds half of
// maxBatchBytes. It counts the capacity of all scopes, which may be from earlier batches.
func (q *queue) reuse(b *batch) {
	kept := 0
	for _, s := range b.scopes[:cap(b.scopes)] {
		kept += cap(s.spans)
	}
	if cap(b.scopes) > 8 || kept > maxBatchBytes/2 {
		return
	}
	*b = batch{scopes: b.scopes[:0]}
	q.mu.Lock()
	q.spare = b
	q.mu.Unlock()
}

// add returns the number of spans in the batch.
func (b *batch) add(t *tracer, span []byte) int {
	var s *scopeSpans
	for i := range b.scopes {
		if b.scopes[i].tracer == t {
			s = &b.scopes[i]
			break
		}
	}
	if s == nil {
		n := len(b.scopes)
		if n == cap(b.scopes) {
			b.scopes = append(b.scopes, scopeSpans{})
		}
		b.scopes = b.scopes[:n+1]
		s = &b.scopes[n]
		s.tracer, s.spans = t, s.spans[:0]
	}
	s.spans = appendBytes(s.spans, scopeSpansSpans, span)
	b.spans++
	b.bytes += len(span)
	return b.spans
}

// run exports batches until the queue is stopped.
func (q *queue) run() {
	defer close(q.ended)
	timer := time.NewTimer(q.delay)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			handle(q.exportAll(true))
		case <-q.wake:
			handle(q.exportAll(false))
		case done := <-q.flushes:
			done <- q.exportAll(true)
		case <-q.halt:
			q.err = q.exportAll(true)
			return
		}
		timer.Reset(q.delay)
	}
}

// handle passes an error on that no caller waits for, as the SDK does.
func handle(err error) {
	if err != nil {
		otel.Handle(err)
	}
}

// exportAll exports the full batches and, if partial is true, the current one.
func (q *queue) exportAll(partial bool) error {
	var errs []error
	for {
		q.mu.Lock()
		var b *batch
		switch {
		case len(q.full) > 0:
			b = q.full[0]
			q.full[0] = nil
			q.full = q.full[1:]
		case partial && q.current.spans > 0:
			b, partial = q.take(), false
		}
		q.mu.Unlock()
		if b == nil {
			return errors.Join(errs...)
		}
		errs = append(errs, q.exportOne(b))
		q.reuse(b)
	}
}

func (q *queue) exportOne(b *batch) error {
	ctx, cancel := context.WithTimeout(context.Background(), q.timeout)
	defer cancel()
	defer q.queued.Add(-int64(b.spans))
	q.message = b.message(q.message[:0], q.resource)
	err := q.export(ctx, q.message, b.spans)
	if cap(q.message) > maxBatchBytes {
		q.message = nil
	}
	return err
}

// message appends the fields of a ResourceSpans message.
func (b *batch) message(m, resource []byte) []byte {
	m = append(m, resource...)
	for _, s := range b.scopes {
		m = binary.AppendUvarint(appendTag(m, resourceSpansScopeSpans), uint64(len(s.tracer.scope)+len(s.spans)))
		m = append(append(m, s.tracer.scope...), s.spans...)
	}
	return m
}

func (q *queue) flush(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case q.flushes <- done:
	case <-q.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q *queue) stop(ctx context.Context) error {
	q.stopped.Store(true)
	close(q.halt)
	select {
	case <-q.ended:
		return q.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
