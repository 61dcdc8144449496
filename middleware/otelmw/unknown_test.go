package otelmw_test

import (
	"context"
	"strconv"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Callers cannot fill the label sets with procedures that the server lacks.
func TestUnknownProcedures(t *testing.T) {
	b := newBed(t)
	call := func(method string, status attribute.KeyValue) {
		_, s := b.tracer.Start(context.Background(), "shop.Shop/"+method, trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(attribute.String("rpc.system", "grpc"), attribute.String("rpc.service", "shop.Shop"),
				attribute.String("rpc.method", method), status))
		s.End()
	}
	for i := range 20 {
		call("Old"+strconv.Itoa(i), attribute.Int64("rpc.grpc.status_code", 12))
		call("New"+strconv.Itoa(i), attribute.String("rpc.response.status_code", "UNIMPLEMENTED"))
	}
	call("Pay", attribute.Int64("rpc.grpc.status_code", 0))
	for _, c := range []struct{ family, label string }{
		{"rpc_server_call_duration_seconds", "rpc_method"}, {"hop_self_duration_seconds", "operation"},
	} {
		if n, _ := b.histogram(c.family, c.label, "_OTHER"); n != 40 {
			t.Errorf("%s: %d calls of unknown procedures under _OTHER, want 40", c.family, n)
		}
		if n, _ := b.histogram(c.family, c.label, "shop.Shop/Pay"); n != 1 {
			t.Errorf("%s: %d calls of Pay", c.family, n)
		}
	}
}
