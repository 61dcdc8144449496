package otlpspan

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

var _ sdktrace.ReadOnlySpan = (*span)(nil)

// The methods of this file are those of the SDK's spans, which programs read through
// sdktrace.ReadOnlySpan. What a span has recorded can be read until it ends.

// read decodes what the span has recorded. It is called with the lock held.
func (s *span) read() *tracepb.Span {
	out := &tracepb.Span{}
	if s.rec != nil {
		_ = proto.Unmarshal(s.rec.buf, out) // its own encoding
	}
	return out
}

// recorded calls f with the record, if the span still has one.
func (s *span) recorded(f func(*record)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec != nil {
		f(s.rec)
	}
}

// Parent returns the context of the parent span.
func (s *span) Parent() trace.SpanContext {
	s.mu.Lock()
	p := s.read()
	s.mu.Unlock()
	c := trace.SpanContextConfig{TraceID: s.sc.TraceID(), TraceFlags: s.sc.TraceFlags(), TraceState: s.sc.TraceState(), Remote: p.Flags&remoteFlag != 0}
	if len(p.ParentSpanId) != len(c.SpanID) {
		return trace.SpanContext{}
	}
	copy(c.SpanID[:], p.ParentSpanId)
	return trace.NewSpanContext(c)
}

// SpanKind returns the kind.
func (s *span) SpanKind() trace.SpanKind {
	s.mu.Lock()
	defer s.mu.Unlock()
	return trace.SpanKind(s.read().Kind) // the numbers are the same
}

// StartTime returns the start time.
func (s *span) StartTime() (t time.Time) {
	s.recorded(func(r *record) { t = r.start })
	return t
}

// EndTime returns the zero time: a span that has ended can no longer be read.
func (s *span) EndTime() time.Time { return time.Time{} }

// Attributes returns the attributes, in the order in which they were set.
func (s *span) Attributes() []attribute.KeyValue {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []attribute.KeyValue
	for _, kv := range s.read().Attributes {
		out = append(out, attribute.KeyValue{Key: attribute.Key(kv.Key), Value: decoded(kv.Value)})
	}
	return out
}

// Links returns the links.
func (s *span) Links() (out []sdktrace.Link) {
	s.recorded(func(r *record) {
		if r.rare != nil {
			out = r.rare.Links()
		}
	})
	return out
}

// Events returns the events.
func (s *span) Events() (out []sdktrace.Event) {
	s.recorded(func(r *record) {
		if r.rare != nil {
			out = r.rare.Events()
		}
	})
	return out
}

// Status returns the status.
func (s *span) Status() (out sdktrace.Status) {
	s.recorded(func(r *record) { out = sdktrace.Status{Code: r.code, Description: r.description} })
	return out
}

// InstrumentationScope returns the scope of the span's tracer.
func (s *span) InstrumentationScope() instrumentation.Scope { return s.tracer.of }

// InstrumentationLibrary returns the scope of the span's tracer.
//
//nolint:staticcheck // the SDK's interface has it
func (s *span) InstrumentationLibrary() instrumentation.Library { return s.tracer.of }

// Resource returns the resource of the provider.
func (s *span) Resource() *resource.Resource { return s.tracer.provider.resource }

// DroppedAttributes returns the number of attributes dropped because of the limit.
func (s *span) DroppedAttributes() (n int) {
	s.recorded(func(r *record) { n = r.dropped })
	return n
}

// DroppedLinks returns the number of links dropped because of the limit.
func (s *span) DroppedLinks() (n int) {
	s.recorded(func(r *record) {
		if r.rare != nil {
			n = r.rare.DroppedLinks()
		}
	})
	return n
}

// DroppedEvents returns the number of events dropped because of the limit.
func (s *span) DroppedEvents() (n int) {
	s.recorded(func(r *record) {
		if r.rare != nil {
			n = r.rare.DroppedEvents()
		}
	})
	return n
}

// ChildSpanCount returns 0: children are not counted.
func (s *span) ChildSpanCount() int { return 0 }

// decoded returns the value of an encoded attribute.
func decoded(v *commonpb.AnyValue) attribute.Value {
	switch x := v.GetValue().(type) {
	case *commonpb.AnyValue_BoolValue:
		return attribute.BoolValue(x.BoolValue)
	case *commonpb.AnyValue_IntValue:
		return attribute.Int64Value(x.IntValue)
	case *commonpb.AnyValue_DoubleValue:
		return attribute.Float64Value(x.DoubleValue)
	case *commonpb.AnyValue_StringValue:
		return attribute.StringValue(x.StringValue)
	case *commonpb.AnyValue_BytesValue:
		return attribute.ByteSliceValue(x.BytesValue)
	case *commonpb.AnyValue_ArrayValue:
		return decodedList(x.ArrayValue.GetValues())
	case *commonpb.AnyValue_KvlistValue:
		var all []attribute.KeyValue
		for _, kv := range x.KvlistValue.GetValues() {
			all = append(all, attribute.KeyValue{Key: attribute.Key(kv.Key), Value: decoded(kv.Value)})
		}
		return attribute.MapValue(all...)
	}
	return attribute.Value{}
}

// decodedList returns a list, of one type if its values have one.
func decodedList(values []*commonpb.AnyValue) attribute.Value {
	var (
		bools   []bool
		ints    []int64
		floats  []float64
		strings []string
		all     []attribute.Value
	)
	for _, v := range values {
		all = append(all, decoded(v))
		switch x := v.GetValue().(type) {
		case *commonpb.AnyValue_BoolValue:
			bools = append(bools, x.BoolValue)
		case *commonpb.AnyValue_IntValue:
			ints = append(ints, x.IntValue)
		case *commonpb.AnyValue_DoubleValue:
			floats = append(floats, x.DoubleValue)
		case *commonpb.AnyValue_StringValue:
			strings = append(strings, x.StringValue)
		}
	}
	switch len(values) {
	case len(strings): // also those of no values
		return attribute.StringSliceValue(strings)
	case len(bools):
		return attribute.BoolSliceValue(bools)
	case len(ints):
		return attribute.Int64SliceValue(ints)
	case len(floats):
		return attribute.Float64SliceValue(floats)
	}
	return attribute.SliceValue(all...)
}
