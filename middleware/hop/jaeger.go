package hop

import (
	"context"
	"encoding/hex"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Jaeger reads and writes trace context as the header uber-trace-id of the
// Jaeger clients: trace:span:parent:flags, in hexadecimal
// (https://www.jaegertracing.io/docs/1.76/client-libraries/#propagation-format).
type Jaeger struct{}

const jaegerHeader = "uber-trace-id"

// Fields names the header.
func (Jaeger) Fields() []string { return []string{jaegerHeader} }

// Inject writes the span context of ctx.
func (Jaeger) Inject(ctx context.Context, carrier propagation.TextMapCarrier) {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return
	}
	flags := "0"
	if sc.IsSampled() {
		flags = "1"
	}
	carrier.Set(jaegerHeader, sc.TraceID().String()+":"+sc.SpanID().String()+":0:"+flags)
}

// Extract reads the header; a malformed one is ignored.
func (Jaeger) Extract(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	parts := strings.Split(strings.ReplaceAll(carrier.Get(jaegerHeader), "%3A", ":"), ":")
	if len(parts) != 4 || len(parts[0]) > 32 || len(parts[1]) > 16 {
		return ctx
	}
	var c trace.SpanContextConfig
	if !unhex(c.TraceID[:], parts[0]) || !unhex(c.SpanID[:], parts[1]) {
		return ctx
	}
	flags, err := strconv.ParseUint(parts[3], 16, 8)
	if err != nil {
		return ctx
	}
	c.TraceFlags = trace.TraceFlags(flags & 1)
	c.Remote = true
	sc := trace.NewSpanContext(c)
	if !sc.IsValid() {
		return ctx
	}
	return trace.ContextWithRemoteSpanContext(ctx, sc)
}

// unhex fills dst from the right: Jaeger leaves out leading zeros.
func unhex(dst []byte, s string) bool {
	if s == "" {
		return false
	}
	s = strings.Repeat("0", 2*len(dst)-len(s)) + s
	_, err := hex.Decode(dst, []byte(s))
	return err == nil
}
