package adapter

import (
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// limitedSpan is a span with a maximum number of attributes. The SDK's spans are.
type limitedSpan interface {
	DroppedAttributes() int
	Attributes() []attribute.KeyValue
}

// setAttributes sets the attributes of a span that is about to end. When the span is
// full, they take the place of those that the program set last: a span without status
// and route is of no use.
func setAttributes(span trace.Span, attrs []attribute.KeyValue) {
	span.SetAttributes(attrs...)
	s, ok := span.(limitedSpan)
	if !ok || s.DroppedAttributes() == 0 {
		return
	}
	if !makeRoom(s.Attributes(), attrs) {
		return
	}
	before := s.DroppedAttributes()
	span.SetAttributes(attrs...) // replaces the values of the keys that are there
	if s.DroppedAttributes() > before {
		span.AddEvent("attributes", trace.WithAttributes(slices.Clone(attrs)...)) // Attributes returned a copy
	}
}

// makeRoom renames attributes of a full span, from the last one on, to the keys of attrs
// that it lacks. It reports whether there were any.
func makeRoom(have, attrs []attribute.KeyValue) (renamed bool) {
	last := len(have) - 1
	for _, a := range attrs {
		if !a.Valid() || hasKey(have, a.Key) {
			continue
		}
		for last >= 0 && hasKey(attrs, have[last].Key) {
			last--
		}
		if last < 0 {
			break
		}
		have[last] = attribute.Bool(string(a.Key), false)
		last--
		renamed = true
	}
	return renamed
}

func hasKey(attrs []attribute.KeyValue, key attribute.Key) bool {
	return slices.ContainsFunc(attrs, func(a attribute.KeyValue) bool { return a.Key == key })
}
