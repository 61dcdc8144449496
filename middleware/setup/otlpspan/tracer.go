package otlpspan

import (
	"context"
	"runtime/trace"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
)

type tracer struct {
	embedded.Tracer
	provider *Provider
	of       instrumentation.Scope
	scope    []byte // the fields scope and schema_url of ScopeSpans, from of
}

var _ oteltrace.Tracer = (*tracer)(nil)

// Start implements trace.Tracer.
func (t *tracer) Start(ctx context.Context, name string, options ...oteltrace.SpanStartOption) (context.Context, oteltrace.Span) {
	config := oteltrace.NewSpanStartConfig(options...)
	if ctx == nil {
		ctx = context.Background()
	}
	in := ctx
	if config.NewRoot() {
		in = oteltrace.ContextWithSpanContext(ctx, oteltrace.SpanContext{})
	}
	start := config.Timestamp()
	if start.IsZero() {
		start = time.Now()
	}
	return t.start(ctx, in, name, config.SpanKind(), start, config.Attributes(), nil, config.Links())
}

// StartSpan starts a span as Start does, but takes its attributes in two parts and
// without options, which cost more than the span. The slices may be reused afterwards.
func (t *tracer) StartSpan(ctx context.Context, name string, kind oteltrace.SpanKind, start time.Time, fixed, attrs []attribute.KeyValue) (context.Context, oteltrace.Span) {
	return t.start(ctx, ctx, name, kind, start, fixed, attrs, nil)
}

// start starts a span below the current one of in, which differs from ctx for a new root.
func (t *tracer) start(ctx, in context.Context, name string, kind oteltrace.SpanKind, start time.Time, fixed, attrs []attribute.KeyValue, links []oteltrace.Link) (context.Context, oteltrace.Span) {
	p := t.provider
	parent := oteltrace.SpanContextFromContext(in)
	c := oteltrace.SpanContextConfig{TraceID: parent.TraceID()}
	if c.TraceID.IsValid() {
		c.SpanID = newSpanID()
	} else {
		c.TraceID, c.SpanID = newTraceID(), newSpanID()
	}
	decision := sdktrace.SamplingResult{Decision: sdktrace.Drop}
	switch {
	case !p.followsParent || !parent.IsValid():
		decision = p.decide(in, c.TraceID, name, kind, fixed, attrs, links)
		c.TraceState = decision.Tracestate
	case parent.IsSampled():
		decision.Decision = sdktrace.RecordAndSample
		fallthrough
	default:
		c.TraceState = parent.TraceState()
	}
	c.TraceFlags = parent.TraceFlags() &^ oteltrace.FlagsSampled
	if decision.Decision == sdktrace.RecordAndSample {
		c.TraceFlags |= oteltrace.FlagsSampled
	}
	s := &span{Context: ctx, tracer: t, sc: oteltrace.NewSpanContext(c), name: name}
	if decision.Decision == sdktrace.Drop {
		return s, s
	}
	rec := newRecord()
	rec.begin(s.sc, parent, kind, start)
	rec.set(p, decision.Attributes, p.limits.AttributeCountLimit)
	rec.set(p, fixed, p.limits.AttributeCountLimit)
	rec.set(p, attrs, p.limits.AttributeCountLimit)
	s.rec = rec
	for _, l := range links {
		s.rare().AddLink(l)
	}
	if !trace.IsEnabled() {
		return s, s
	}
	tasked, task := trace.NewTask(s, name)
	rec.endTask = task.End
	return tasked, s
}

// decide asks the sampler.
func (p *Provider) decide(ctx context.Context, id oteltrace.TraceID, name string, kind oteltrace.SpanKind, fixed, attrs []attribute.KeyValue, links []oteltrace.Link) sdktrace.SamplingResult {
	in := sdktrace.SamplingParameters{ParentContext: ctx, TraceID: id, Name: name, Kind: kind, Attributes: slices.Clip(fixed), Links: links}
	switch {
	case len(fixed) == 0:
		in.Attributes = attrs
	case len(attrs) > 0:
		both := attributeLists.Get().(*[]attribute.KeyValue)
		in.Attributes = append(append((*both)[:0], fixed...), attrs...)
		defer func() {
			clear(in.Attributes)
			*both = in.Attributes[:0]
			attributeLists.Put(both)
		}()
	}
	return p.sampler.ShouldSample(in)
}

var attributeLists = sync.Pool{New: func() any { return new([]attribute.KeyValue) }}
