package messaging_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/messaging"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

func TestConformance(t *testing.T) {
	system := messaging.System{Name: "memory"}
	mwtest.TestServer(t, mwtest.Server{
		Operation: "process orders", Kind: trace.SpanKindConsumer, Family: "messaging_process_duration_seconds",
		Deliver: func(t *testing.T, d mwtest.Delivery) map[string]string {
			c := messaging.NewConsumer(system, messaging.WithTelemetry(d.Telemetry))
			_ = messaging.Process(t.Context(), c, &messaging.Processing{}, &messaging.Delivery{Destination: "orders", Carrier: propagation.MapCarrier(d.Headers)}, 0,
				func(ctx context.Context, _ int) error { return d.Handle(ctx) })
			return nil
		},
	})
	mwtest.TestClient(t, mwtest.Client{
		Kind: trace.SpanKindProducer, Family: "messaging_client_operation_duration_seconds", Headers: true,
		Dependency: hop.Dependency{Name: "orders", Kind: hop.KindProduce},
		Call: func(_ *testing.T, ctx context.Context, c mwtest.Outbound) {
			defer system.Wait(ctx, "orders").End()
			var s messaging.Sending
			headers := propagation.MapCarrier{}
			messaging.NewProducer(system, messaging.WithTelemetry(c.Telemetry)).Begin(ctx, &s, "orders", headers)
			s.End(c.Remote(headers))
		},
	})
}
