package amqpmw_test

import (
	"context"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/amqpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// A Publisher needs a broker: see rabbitmq_test.go. The contract of what it sends
// is tested in package messaging.
func TestConformance(t *testing.T) {
	mwtest.TestServer(t, mwtest.Server{
		Operation: "process orders", Kind: trace.SpanKindConsumer, Family: "messaging_process_duration_seconds",
		Deliver: func(t *testing.T, d mwtest.Delivery) map[string]string {
			m := amqp.Delivery{Exchange: "orders", RoutingKey: "placed", Headers: amqp.Table{}}
			for k, v := range d.Headers {
				m.Headers[k] = v
			}
			handle := amqpmw.Handler(func(ctx context.Context, _ amqp.Delivery) error { return d.Handle(ctx) }, amqpmw.WithTelemetry(d.Telemetry))
			_ = handle(t.Context(), m)
			return nil
		},
	})
}
