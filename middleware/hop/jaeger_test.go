package hop_test

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
)

// counted counts the lookups, each of which is linear in the number of headers of a
// Kafka record.
type counted struct {
	propagation.MapCarrier
	gets int
}

func (c *counted) Get(key string) string {
	c.gets++
	return c.MapCarrier.Get(key)
}

// A sender chooses the number and the length of the headers.
func TestJaegerBoundsItsWork(t *testing.T) {
	for _, key := range []string{"k", "k e y "} { // valid keys of baggage, and others
		c := &counted{MapCarrier: propagation.MapCarrier{"uber-trace-id": "4bf92f3577b34da6:f067aa0ba902b7:0:1"}}
		for i := range 5000 {
			c.MapCarrier["uberctx-"+key+strconv.Itoa(i)] = ""
		}
		ctx := hop.Jaeger{}.Extract(context.Background(), c)
		if c.gets > 100 {
			t.Errorf("%d lookups of 5,000 headers", c.gets)
		}
		if n := baggage.FromContext(ctx).Len(); n > 64 {
			t.Errorf("%d members", n)
		}
		if id := trace.SpanContextFromContext(ctx).TraceID().String(); id != "00000000000000004bf92f3577b34da6" {
			t.Errorf("trace ID %q", id)
		}
	}
	long := propagation.MapCarrier{"uber-trace-id": strings.Repeat(":", 1<<20)}
	if n := testing.AllocsPerRun(1, func() { hop.Jaeger{}.Extract(context.Background(), long) }); n > 1 {
		t.Errorf("%v allocations for a malformed header", n)
	}
}
