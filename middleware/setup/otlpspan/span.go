package otlpspan

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
)

// span is a span and the context in which it is the current one, in one allocation. It
// is not pooled, since goroutines may hold it after its end.
type span struct {
	embedded.Span
	context.Context
	sdktrace.ReadOnlySpan // nil; marks the span as one that can be read

	tracer *tracer
	sc     trace.SpanContext

	mu   sync.Mutex
	rec  *record // nil when the span does not record, or no longer
	name string
}

var (
	_ trace.Span      = (*span)(nil)
	_ context.Context = (*span)(nil)
)

// spanKey is the key under which OpenTelemetry looks for the current span.
var spanKey = func() any {
	var spy keySpy
	trace.SpanFromContext(&spy)
	return spy.key
}()

// keySpy records the key that it is asked for.
type keySpy struct {
	context.Context
	key any
}

func (s *keySpy) Value(key any) any {
	s.key = key
	return nil
}

// Value implements context.Context.
func (s *span) Value(key any) any {
	if key == spanKey {
		return s
	}
	return s.Context.Value(key)
}

// String returns the span's IDs, for a context that is printed.
func (s *span) String() string {
	return "otlpspan(" + s.sc.TraceID().String() + " " + s.sc.SpanID().String() + ")"
}

// SpanContext implements trace.Span.
func (s *span) SpanContext() trace.SpanContext { return s.sc }

// TracerProvider implements trace.Span.
func (s *span) TracerProvider() trace.TracerProvider { return s.tracer.provider }

// IsRecording implements trace.Span.
func (s *span) IsRecording() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rec != nil
}

// Name returns the name.
func (s *span) Name() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.name
}

// SetName implements trace.Span.
func (s *span) SetName(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec != nil {
		s.name = name
	}
}

// SetStatus implements trace.Span. Ok outranks Error, which outranks Unset.
func (s *span) SetStatus(code codes.Code, description string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec != nil {
		s.setStatus(code, description)
	}
}

func (s *span) setStatus(code codes.Code, description string) {
	if s.rec.code > code {
		return
	}
	s.rec.code, s.rec.description = code, ""
	if code == codes.Error {
		s.rec.description = description
	}
}

// SetAttributes implements trace.Span.
func (s *span) SetAttributes(attrs ...attribute.KeyValue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec != nil {
		s.rec.set(s.tracer.provider, attrs, s.tracer.provider.limits.AttributeCountLimit)
	}
}

// rare returns the span of the SDK that records events and links. It is called with the
// lock held, on a span that records.
func (s *span) rare() sdktrace.ReadWriteSpan {
	if s.rec.rare == nil {
		s.rec.rare = s.tracer.provider.rareSpan()
	}
	return s.rec.rare
}

// AddEvent implements trace.Span.
func (s *span) AddEvent(name string, options ...trace.EventOption) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec != nil {
		s.rare().AddEvent(name, options...)
	}
}

// AddLink implements trace.Span.
func (s *span) AddLink(link trace.Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec != nil {
		s.rare().AddLink(link)
	}
}

// RecordError implements trace.Span.
func (s *span) RecordError(err error, options ...trace.EventOption) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec != nil {
		s.rare().RecordError(err, options...)
	}
}

// End implements trace.Span. When it is deferred and the function panics, the panic is an
// event of the span, and continues.
func (s *span) End(options ...trace.SpanEndOption) {
	s.mu.Lock()
	if s.rec == nil {
		s.mu.Unlock()
		return
	}
	now := time.Now()
	config := trace.NewSpanEndConfig(options...)
	if recovered := recover(); recovered != nil {
		defer panic(recovered)
		s.recordPanic(recovered, config.StackTrace())
	}
	end := config.Timestamp()
	if end.IsZero() {
		end = s.rec.start.Add(now.Sub(s.rec.start))
	}
	s.finish(end)
}

// EndWith sets attributes, sets the status to Error if the operation failed, and ends the
// span. It sets them on a span that is full of others, too: without its status and route a
// span is of no use.
func (s *span) EndWith(end time.Time, failed bool, attrs []attribute.KeyValue) {
	s.mu.Lock()
	if s.rec == nil {
		s.mu.Unlock()
		return
	}
	s.rec.set(s.tracer.provider, attrs, -1)
	if failed {
		s.setStatus(codes.Error, "")
	}
	s.finish(end)
}

// finish encodes and queues the span. It is called with the lock held and releases it.
func (s *span) finish(end time.Time) {
	r := s.rec
	s.rec = nil
	task := r.endTask
	r.finish(s.name, end)
	s.mu.Unlock()
	if task != nil {
		task()
	}
	if s.sc.IsSampled() {
		s.tracer.provider.queue.add(s.tracer, r.buf)
	}
	r.free()
}

func (s *span) recordPanic(recovered any, stack bool) {
	options := []trace.EventOption{trace.WithAttributes(semconv.ExceptionType(typeOf(recovered)),
		semconv.ExceptionMessage(fmt.Sprint(recovered)))}
	if stack {
		buf := make([]byte, 2048)
		options = append(options, trace.WithAttributes(semconv.ExceptionStacktrace(string(buf[:runtime.Stack(buf, false)]))))
	}
	s.rare().AddEvent(semconv.ExceptionEventName, options...)
}

// typeOf returns the name of a type with the path of its package, as the SDK does.
func typeOf(v any) string {
	t := reflect.TypeOf(v)
	if t.PkgPath() == "" && t.Name() == "" {
		return t.String()
	}
	return t.PkgPath() + "." + t.Name()
}
