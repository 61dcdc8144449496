package hop

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/internal/wire"
)

// B3 is the propagator of Zipkin's trace context. It reads the single header b3 and
// the X-B3-* headers. It writes only the X-B3-* headers
// (https://github.com/openzipkin/b3-propagation).
type B3 struct{}

var _ propagation.TextMapPropagator = B3{}

const (
	b3Single  = "b3"
	b3Trace   = "x-b3-traceid"
	b3Span    = "x-b3-spanid"
	b3Sampled = "x-b3-sampled"
	b3Flags   = "x-b3-flags"
)

// Fields returns the headers that Inject writes.
func (B3) Fields() []string { return []string{b3Trace, b3Span, b3Sampled} }

// Inject writes the span context of ctx.
func (B3) Inject(ctx context.Context, carrier propagation.TextMapCarrier) {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return
	}
	sampled := "0"
	if sc.IsSampled() {
		sampled = "1"
	}
	carrier.Set(b3Trace, sc.TraceID().String())
	carrier.Set(b3Span, sc.SpanID().String())
	carrier.Set(b3Sampled, sampled)
}

// Extract reads the header b3, or the X-B3-* headers when it is absent. It ignores
// malformed headers.
func (B3) Extract(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	tid, sid, sampled := carrier.Get(b3Trace), carrier.Get(b3Span), carrier.Get(b3Sampled)
	if carrier.Get(b3Flags) == "1" {
		sampled = "d"
	}
	if single := carrier.Get(b3Single); single != "" && len(single) <= 4*wire.MaxName {
		parts := strings.SplitN(single, "-", 5)
		if len(parts) < 2 {
			if single == "0" {
				return unsampled(ctx)
			}
			return ctx // a request to sample, which the sampler decides
		}
		tid, sid, sampled = parts[0], parts[1], ""
		if len(parts) > 2 {
			sampled = parts[2]
		}
	}
	if tid == "" && sid == "" && (sampled == "0" || sampled == "false") {
		return unsampled(ctx)
	}
	var c trace.SpanContextConfig
	if len(tid) != 16 && len(tid) != 32 || len(sid) != 16 || !unhex(c.TraceID[:], tid) || !unhex(c.SpanID[:], sid) {
		return ctx
	}
	switch sampled {
	case "1", "d", "true":
		c.TraceFlags = trace.FlagsSampled
	case "", "0", "false":
	default:
		return ctx
	}
	c.Remote = true
	sc := trace.NewSpanContext(c)
	if !sc.IsValid() {
		return ctx
	}
	return trace.ContextWithRemoteSpanContext(ctx, sc)
}

// unsampled returns a context whose trace is not sampled, for a caller that decided so
// without starting a trace. OpenTelemetry has no decision without IDs, so they are
// made up; no span has them.
func unsampled(ctx context.Context) context.Context {
	var c trace.SpanContextConfig
	binary.BigEndian.PutUint64(c.TraceID[:8], rand.Uint64())
	binary.BigEndian.PutUint64(c.TraceID[8:], rand.Uint64()|1)
	binary.BigEndian.PutUint64(c.SpanID[:], rand.Uint64()|1)
	c.Remote = true
	return trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(c))
}
