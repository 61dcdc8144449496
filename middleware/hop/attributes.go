package hop

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Attributes is room for the attributes of one span. A span copies what it is
// given, so that no context reaches the room and it can be used again.
type Attributes [12]attribute.KeyValue

var attributePool = sync.Pool{New: func() any { return new(Attributes) }}

// BorrowAttributes returns room whose content is undefined. Give it back with
// Return within the function that borrowed it.
func BorrowAttributes() *Attributes { return attributePool.Get().(*Attributes) }

// Return gives the room back. Its content stays until it is written over or
// collected, which is cheaper than clearing it.
func (a *Attributes) Return() { attributePool.Put(a) }

// FixedAttributes are those that all spans of one operation have in common,
// made once.
type FixedAttributes struct {
	attrs  []attribute.KeyValue
	option trace.SpanStartOption
}

// Fix makes FixedAttributes.
func Fix(attrs ...attribute.KeyValue) *FixedAttributes {
	return &FixedAttributes{attrs: attrs, option: trace.WithAttributes(attrs...)}
}

// spanOptions is room for the options of one span's start.
type spanOptions [6]trace.SpanStartOption

var optionPool = sync.Pool{New: func() any { return new(spanOptions) }}

// begin starts a span with the attributes that are known by now, so that a
// sampler sees them. Under a parent that is not sampled they are given only to a
// span that records all the same: building them costs more than the span.
func (t *Telemetry) begin(ctx context.Context, name string, parent trace.SpanContext, fixed *FixedAttributes, attrs []attribute.KeyValue, opts []trace.SpanStartOption) (context.Context, trace.Span) {
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
