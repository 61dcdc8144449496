package hop

import (
	"context"
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/internal/wire"
)

// Jaeger is the propagator of the Jaeger clients. Trace context is the header
// uber-trace-id, trace:span:parent:flags in hexadecimal
// (https://www.jaegertracing.io/docs/1.76/client-libraries/#propagation-format).
// Baggage is one header uberctx-<key> per member.
type Jaeger struct{}

var _ propagation.TextMapPropagator = Jaeger{}

const (
	jaegerHeader  = "uber-trace-id"
	jaegerBaggage = "uberctx-"
)

// Fields returns the header that Inject writes, without baggage.
func (Jaeger) Fields() []string { return []string{jaegerHeader} }

// Inject writes the span context and the baggage of ctx.
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
	for _, m := range baggage.FromContext(ctx).Members() {
		carrier.Set(jaegerBaggage+m.Key(), url.PathEscape(m.Value()))
	}
}

// Extract reads the headers. It ignores malformed ones.
func (Jaeger) Extract(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	ctx = extractUberctx(ctx, carrier)
	header := carrier.Get(jaegerHeader)
	if len(header) > wire.MaxName {
		return ctx
	}
	parts := strings.Split(strings.ReplaceAll(header, "%3A", ":"), ":")
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

// extractUberctx makes Jaeger's baggage available to OpenTelemetry's API, within the
// limits of W3C Baggage.
func extractUberctx(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	var members []baggage.Member
	size, seen := 0, 0
	for _, k := range carrier.Keys() {
		if len(k) <= len(jaegerBaggage) || !strings.EqualFold(k[:len(jaegerBaggage)], jaegerBaggage) {
			continue
		}
		if seen++; seen > wire.MaxBaggageMembers {
			break // Get is linear in some carriers, whose senders add any number of headers
		}
		value, err := url.PathUnescape(carrier.Get(k))
		if size += len(k) + len(value); err != nil || size > wire.MaxBaggageBytes {
			continue
		}
		if m, err := baggage.NewMemberRaw(strings.ToLower(k[len(jaegerBaggage):]), value); err == nil {
			members = append(members, m)
		}
	}
	if len(members) == 0 {
		return ctx
	}
	bag, err := baggage.New(members...)
	if err != nil {
		return ctx
	}
	return baggage.ContextWithBaggage(ctx, bag)
}

// unhex fills dst from the right, since Jaeger omits leading zeros.
func unhex(dst []byte, s string) bool {
	if s == "" {
		return false
	}
	s = strings.Repeat("0", 2*len(dst)-len(s)) + s
	_, err := hex.Decode(dst, []byte(s))
	return err == nil
}
