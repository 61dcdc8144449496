package adapter

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/internal/wire"
)

type restoredKey struct{}

// restored returns the metadata of the request that Restore put into ctx.
func restored(ctx context.Context) (wire.Metadata, bool) {
	m, ok := ctx.Value(restoredKey{}).(wire.Metadata)
	return m, ok
}

// CorrelationID returns the correlation ID of the request in ctx, or "".
func CorrelationID(ctx context.Context) string {
	if h := FromContext(ctx); h != nil {
		return h.metadata.Correlation
	}
	r, _ := restored(ctx)
	return r.Correlation
}

// EntryOf returns the entry of the request in ctx, or "".
func EntryOf(ctx context.Context) string {
	if h := FromContext(ctx); h != nil {
		return h.Entry()
	}
	r, _ := restored(ctx)
	return r.Entry
}

// Snapshot returns the headers for a message that belongs to the request in ctx and
// is sent later, such as an outbox row.
func Snapshot(ctx context.Context) map[string]string {
	m := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, m)
	injectMetadata(ctx, m, true)
	return m
}

// Restore returns a context derived from ctx that belongs to the request recorded
// in snapshot. Malformed headers are ignored.
func Restore(ctx context.Context, snapshot map[string]string) context.Context {
	m := propagation.MapCarrier(snapshot)
	ctx = propagation.TraceContext{}.Extract(ctx, m)
	r := wire.ReadBaggage(m.Get(wire.HeaderBaggage))
	if id := m.Get(wire.HeaderCorrelation); wire.ValidCorrelationID(id) {
		r.Correlation = id
	}
	return context.WithValue(withForeign(ctx, r.Foreign), restoredKey{}, r)
}

// QueueWait records in hop_queue_wait_seconds the time that a message of the
// request in ctx waited outside a hop. For example, an outbox row waits between
// commit and publication.
func (t *Core) QueueWait(ctx context.Context, operation string, waited time.Duration) {
	t.families.queue.Observe(waited, t.Now(), trace.SpanContextFromContext(ctx), operation, t.families.entries.intern(EntryOf(ctx), t.Now()).value)
}

// SpanContextOf returns the span context in a message's headers. It is invalid when
// the headers have none.
func (t *Core) SpanContextOf(carrier propagation.TextMapCarrier) trace.SpanContext {
	return t.receive(&Incoming{Carrier: carrier}).remote
}
