package otlpspan

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"
)

// Config configures a Provider. Export is required.
type Config struct {
	// Export sends a batch: the fields of one ResourceSpans message with so many spans.
	// It must not keep the bytes. It retries what is to be retried. A batch for which it
	// returns an error is lost. It is called by one goroutine.
	Export func(ctx context.Context, resourceSpans []byte, spans int) error

	// Dropped is called for a span that does not fit into the queue; may be nil.
	Dropped func()

	// Sampler decides which spans are recorded; nil means ParentBased(AlwaysSample()).
	// It must not keep the attributes that it is given. ParentBased of this package costs
	// less than the SDK's.
	Sampler sdktrace.Sampler

	// Limits are the limits of a span; nil means those of the environment.
	Limits *sdktrace.SpanLimits

	// Resource describes the service; nil means resource.Default().
	Resource *resource.Resource

	// Batch has the sizes and times of sdktrace.NewBatchSpanProcessor. Zero means its
	// default. BlockOnQueueFull is ignored: a span never waits.
	Batch sdktrace.BatchSpanProcessorOptions
}

// Provider is a trace.TracerProvider that exports OTLP. It is safe for concurrent use.
type Provider struct {
	embedded.TracerProvider
	sampler sdktrace.Sampler

	followsParent bool // the sampler is that of ParentBased

	limits   sdktrace.SpanLimits
	resource *resource.Resource
	sdk      *sdktrace.TracerProvider // records what is rare, and exports nothing
	rare     trace.Tracer             // of sdk
	queue    *queue
	stopped  atomic.Bool

	mu      sync.Mutex
	tracers map[instrumentation.Scope]*tracer
}

var _ trace.TracerProvider = (*Provider)(nil)

// New returns a Provider and starts its goroutine, which Shutdown stops. It returns an
// error without an Export function, and for a version of OpenTelemetry's API that it does
// not work with.
func New(c Config) (*Provider, error) {
	if c.Export == nil {
		return nil, errors.New("otlpspan: no Export function")
	}
	if spanKey == nil {
		return nil, errors.New("otlpspan: unknown context key of go.opentelemetry.io/otel/trace")
	}
	limits := sdktrace.NewSpanLimits()
	if c.Limits != nil {
		limits = *c.Limits
	}
	if c.Sampler == nil {
		c.Sampler = ParentBased(sdktrace.AlwaysSample())
	}
	if c.Resource == nil {
		c.Resource = resource.Default()
	}
	p := &Provider{sampler: c.Sampler, limits: limits, resource: c.Resource, tracers: map[instrumentation.Scope]*tracer{}}
	_, p.followsParent = c.Sampler.(parentBased)
	p.sdk = sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.AlwaysSample()), sdktrace.WithRawSpanLimits(limits))
	p.rare = p.sdk.Tracer("otlpspan")
	p.queue = newQueue(c)
	return p, nil
}

// Tracer implements trace.TracerProvider.
func (p *Provider) Tracer(name string, options ...trace.TracerOption) trace.Tracer {
	if p.stopped.Load() {
		return noop.NewTracerProvider().Tracer(name, options...)
	}
	c := trace.NewTracerConfig(options...)
	asked := instrumentation.Scope{Name: name, Version: c.InstrumentationVersion(), SchemaURL: c.SchemaURL(), Attributes: c.InstrumentationAttributes()}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.tracers[asked]; t != nil { // instrumentation may ask with every request
		return t
	}
	_, s := p.sdk.Tracer(name, options...).Start(context.Background(), "")
	of, ok := s.(sdktrace.ReadOnlySpan)
	if !ok { // Shutdown was faster
		return noop.NewTracerProvider().Tracer(name, options...)
	}
	scope := of.InstrumentationScope() // as the SDK has it
	t := p.tracers[scope]
	if t == nil {
		t = &tracer{provider: p, of: scope, scope: scopeFields(scope)}
		p.tracers[scope] = t
	}
	p.tracers[asked] = t
	return t
}

// Queued returns the number of spans that have ended and are not exported yet.
func (p *Provider) Queued() int { return int(p.queue.queued.Load()) }

// ForceFlush exports the spans that have ended so far. It returns the first error of an
// export, or that of ctx.
func (p *Provider) ForceFlush(ctx context.Context) error { return p.queue.flush(ctx) }

// Shutdown exports the spans that have ended and stops the provider. Later spans are not
// exported. It returns the first error of an export, or that of ctx. Only the first call
// has an effect.
func (p *Provider) Shutdown(ctx context.Context) error {
	if !p.stopped.CompareAndSwap(false, true) {
		return nil
	}
	return errors.Join(p.queue.stop(ctx), p.sdk.Shutdown(ctx))
}

// rareSpan returns a span of the SDK with the provider's limits.
func (p *Provider) rareSpan() sdktrace.ReadWriteSpan {
	_, s := p.rare.Start(context.Background(), "")
	return s.(sdktrace.ReadWriteSpan)
}

// plain reports whether no limit can change a value.
func (p *Provider) plain(v attribute.Value) bool {
	switch v.Type() {
	case attribute.BOOL, attribute.INT64, attribute.FLOAT64:
		return true
	case attribute.STRING:
		return p.limits.AttributeValueLengthLimit < 0 || len(v.AsString()) <= p.limits.AttributeValueLengthLimit
	}
	return false
}

// normal returns an attribute within the limits of length and depth.
func (p *Provider) normal(kv attribute.KeyValue) attribute.KeyValue {
	if p.plain(kv.Value) {
		return kv
	}
	s := p.rareSpan()
	s.SetAttributes(kv)
	if attrs := s.Attributes(); len(attrs) == 1 {
		return attrs[0]
	}
	return kv
}

// The IDs are those of the SDK's generator.
func newSpanID() (id trace.SpanID) {
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:], rand.Uint64())
	}
	return id
}

func newTraceID() (id trace.TraceID) {
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
		binary.NativeEndian.PutUint64(id[8:], rand.Uint64())
	}
	return id
}

// scopeFields returns the fields scope and schema_url of ScopeSpans.
func scopeFields(s instrumentation.Scope) []byte {
	b := appendNonEmpty(nil, scopeName, s.Name)
	b = appendNonEmpty(b, scopeVersion, s.Version)
	for iter := s.Attributes.Iter(); iter.Next(); {
		b = appendKeyValue(b, scopeAttributes, iter.Attribute())
	}
	b = appendBytes(nil, scopeSpansScope, b)
	return appendNonEmpty(b, scopeSpansSchema, s.SchemaURL)
}

// resourceFields returns the fields resource and schema_url of ResourceSpans.
func resourceFields(r *resource.Resource) []byte {
	var b []byte
	for iter := r.Iter(); iter.Next(); {
		b = appendKeyValue(b, resourceAttributes, iter.Attribute())
	}
	b = appendBytes(nil, resourceSpansResource, b)
	return appendNonEmpty(b, resourceSpansSchema, r.SchemaURL())
}
