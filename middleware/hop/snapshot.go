package hop

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

type restoredKey struct{}

func correlationOf(ctx context.Context) string {
	if h := FromContext(ctx); h != nil {
		return h.carried.correlation
	}
	r, _ := ctx.Value(restoredKey{}).(carried)
	return r.correlation
}

// Snapshot returns what a message that is sent later must carry to belong to
// the request in ctx: for a row of an outbox. Keys are header names.
func Snapshot(ctx context.Context) map[string]string {
	m := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, m)
	injectOwn(ctx, m, true)
	return m
}

// Restore returns a context in which calls belong to the request that Snapshot
// was taken of. What is malformed in the snapshot is left out.
func Restore(ctx context.Context, snapshot map[string]string) context.Context {
	m := propagation.MapCarrier(snapshot)
	ctx = propagation.TraceContext{}.Extract(ctx, m)
	c := readBaggage(m.Get(headerBaggage))
	if id := m.Get(correlationKey); ValidCorrelationID(id) {
		c.correlation = id
	}
	ctx = withForeign(ctx, c.foreign)
	return context.WithValue(ctx, restoredKey{}, c)
}

// EntryOf returns the entry of the request in ctx, also of a restored one.
func EntryOf(ctx context.Context) string {
	if h := FromContext(ctx); h != nil {
		return h.Entry()
	}
	r, _ := ctx.Value(restoredKey{}).(carried)
	return r.entry
}

// QueueWait records that a message waited outside any hop's processing, such
// as an outbox row between commit and publication.
func (t *Telemetry) QueueWait(ctx context.Context, operation string, waited time.Duration) {
	t.families.queue.Observe(waited, t.Now(), trace.SpanContextFromContext(ctx), operation, t.entries.intern(EntryOf(ctx)))
}

// SpanContextOf reads the span context that a message carries.
func (t *Telemetry) SpanContextOf(carrier propagation.TextMapCarrier) trace.SpanContext {
	return t.receive(&Incoming{Carrier: carrier}).remote
}
