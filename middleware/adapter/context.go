package adapter

import (
	"context"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// remoteContext is trace.ContextWithRemoteSpanContext within the memory of a hop.
type remoteContext struct {
	context.Context
	span remoteSpan
}

// remoteSpan is the caller's span, which records nothing here.
type remoteSpan struct {
	trace.Span // nothing
	sc         trace.SpanContext
}

// nothing is the span that records nothing.
var nothing trace.Span = noop.Span{}

// SpanContext returns the caller's span context.
func (s *remoteSpan) SpanContext() trace.SpanContext { return s.sc }

// Value returns the caller's span for OpenTelemetry's key.
func (c *remoteContext) Value(key any) any {
	if key == spanKey {
		return &c.span
	}
	return c.Context.Value(key)
}

// withRemote returns ctx with the caller's span as its current one.
func (h *Hop) withRemote(ctx context.Context, remote trace.SpanContext) context.Context {
	if spanKey == nil {
		return trace.ContextWithRemoteSpanContext(ctx, remote)
	}
	h.remote.Context, h.remote.span = ctx, remoteSpan{nothing, remote.WithRemote(true)}
	return &h.remote
}

// spanKey is the key under which OpenTelemetry looks for the current span, or nil.
var spanKey = keyOf(func(ctx context.Context) { trace.SpanFromContext(ctx) })

// zerologKey is the key under which zerolog.Ctx looks for its logger.
var zerologKey = keyOf(func(ctx context.Context) { zerolog.Ctx(ctx) })

// keyOf returns the key that look asks its context for.
func keyOf(look func(context.Context)) any {
	var spy keySpy
	look(&spy)
	return spy.key
}

// keySpy records the key that it is asked for.
type keySpy struct {
	context.Context
	key any
}

func (s *keySpy) Value(key any) any {
	s.key = key
	return nil
}
