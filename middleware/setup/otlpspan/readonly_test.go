package otlpspan

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// A program that reads the spans that it started reads the same as from the SDK's.
func TestSpansAreReadAsThoseOfTheSDK(t *testing.T) {
	res := resource.NewSchemaless(attribute.String("service.name", "shop"))
	own, err := New(Config{Resource: res, Export: func(context.Context, []byte, int) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Shutdown(t.Context())
	sdk := sdktrace.NewTracerProvider(sdktrace.WithResource(res))
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true})
	read := func(p trace.TracerProvider) map[string]any {
		ctx := trace.ContextWithSpanContext(t.Context(), parent)
		start := time.Unix(1000, 0)
		_, span := p.Tracer("lib", trace.WithInstrumentationVersion("1.2")).Start(ctx, "op", trace.WithSpanKind(trace.SpanKindServer),
			trace.WithTimestamp(start), trace.WithAttributes(attribute.String("a", "x"), attribute.Int("n", 7)))
		defer span.End()
		span.SetAttributes(attribute.Float64("f", 1.5), attribute.Bool("b", true), attribute.StringSlice("s", []string{"p", "q"}),
			attribute.Int64Slice("i", []int64{1, 2}), attribute.String("a", "y"))
		span.SetStatus(codes.Error, "broken")
		span.AddEvent("e", trace.WithTimestamp(start))
		span.RecordError(errors.New("no"), trace.WithTimestamp(start))
		span.AddLink(trace.Link{SpanContext: parent})
		span.SetName("op2")
		s := span.(sdktrace.ReadOnlySpan)
		return map[string]any{"name": s.Name(), "parent": s.Parent(), "kind": s.SpanKind(), "start": s.StartTime(), "end": s.EndTime(),
			"attributes": s.Attributes(), "links": s.Links(), "events": s.Events(), "status": s.Status(), "scope": s.InstrumentationScope(),
			"resource": s.Resource().String(), "dropped": s.DroppedAttributes() + s.DroppedLinks() + s.DroppedEvents(),
			"children": s.ChildSpanCount(), "id": s.SpanContext().TraceID()}
	}
	got, want := read(own), read(sdk)
	for k := range want {
		if !reflect.DeepEqual(got[k], want[k]) {
			t.Errorf("%s: %v, want %v", k, got[k], want[k])
		}
	}
}

// What was recorded can be read until the end, and a reader does not panic after it.
func TestAnEndedSpanIsEmpty(t *testing.T) {
	p, err := New(Config{Export: func(context.Context, []byte, int) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Shutdown(t.Context())
	_, span := p.Tracer("lib").Start(t.Context(), "op")
	span.End()
	s := span.(sdktrace.ReadOnlySpan)
	if s.Name() != "op" || len(s.Attributes()) != 0 || !s.StartTime().IsZero() || s.Parent().IsValid() || s.Status().Code != codes.Unset ||
		len(s.Links()) != 0 || len(s.Events()) != 0 || s.Resource() == nil {
		t.Errorf("%v", s)
	}
}
