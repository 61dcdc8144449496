package adapter

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Attributes is a pooled buffer for the attributes of one span. Spans copy their
// attributes, so the buffer can be reused immediately.
type Attributes [12]attribute.KeyValue

var attributePool = sync.Pool{New: func() any { return new(Attributes) }}

// BorrowAttributes returns a pooled buffer with unspecified contents. The calling
// function must call Attributes.Return before it returns.
func BorrowAttributes() *Attributes { return attributePool.Get().(*Attributes) }

// Return puts the buffer back into the pool. It does not clear it.
func (a *Attributes) Return() { attributePool.Put(a) }

// FixedAttributes holds the attributes that all spans of an operation share. An
// adapter creates them once per operation.
type FixedAttributes struct {
	attrs  []attribute.KeyValue
	option trace.SpanStartOption
}

// Fix returns attrs as FixedAttributes. Who gets them may append to them: it is to a copy.
func Fix(attrs ...attribute.KeyValue) *FixedAttributes {
	attrs = slices.Clip(attrs)
	return &FixedAttributes{attrs: attrs, option: trace.WithAttributes(attrs...)}
}

// list returns the attributes.
func (f *FixedAttributes) list() []attribute.KeyValue {
	if f == nil {
		return nil
	}
	return f.attrs
}

// spanOptions is a pooled buffer for the start options of one span.
type spanOptions [6]trace.SpanStartOption

var optionPool = sync.Pool{New: func() any { return new(spanOptions) }}

// spanStarter is a tracer that starts a span without the cost of options.
type spanStarter interface {
	StartSpan(ctx context.Context, name string, kind trace.SpanKind, start time.Time, fixed, attrs []attribute.KeyValue) (context.Context, trace.Span)
}

// spanEnder is a span that takes all that is known at its end in one call.
type spanEnder interface {
	EndWith(end time.Time, failed bool, attrs []attribute.KeyValue)
}

// begin starts a span with the attributes known at its start, so that samplers see
// them. Under an unsampled parent it sets them only on a span that records all the
// same, since the options cost more than an unrecorded span.
func (t *Core) begin(ctx context.Context, name string, parent trace.SpanContext, fixed *FixedAttributes, attrs []attribute.KeyValue, opts []trace.SpanStartOption) (context.Context, trace.Span) {
	late := parent.IsValid() && !parent.IsSampled()
	if !late && fixed != nil {
		opts = append(opts, fixed.option)
	}
	if !late && len(attrs) > 0 {
		opts = append(opts, trace.WithAttributes(attrs...))
	}
	ctx, span := t.tracer.Start(ctx, name, opts...)
	if late && span.IsRecording() {
		if fixed != nil {
			span.SetAttributes(fixed.attrs...)
		}
		span.SetAttributes(attrs...)
	}
	return ctx, span
}
