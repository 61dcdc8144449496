package saramamw_test

import (
	"context"
	"testing"

	"github.com/IBM/sarama"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/middleware/saramamw"
)

// sender is a producer whose messages arrive at a function.
type sender struct {
	sarama.SyncProducer
	remote func(headers map[string]string) error
}

func (s sender) SendMessage(m *sarama.ProducerMessage) (int32, int64, error) {
	headers := map[string]string{}
	for _, h := range m.Headers {
		headers[string(h.Key)] = string(h.Value)
	}
	return 0, 0, s.remote(headers)
}

func TestConformance(t *testing.T) {
	mwtest.TestServer(t, mwtest.Server{
		Operation: "process orders.placed", Kind: trace.SpanKindConsumer, Family: "messaging_process_duration_seconds",
		Deliver: func(t *testing.T, d mwtest.Delivery) map[string]string {
			m := &sarama.ConsumerMessage{Topic: "orders.placed"}
			for k, v := range d.Headers {
				m.Headers = append(m.Headers, &sarama.RecordHeader{Key: []byte(k), Value: []byte(v)})
			}
			for k, v := range d.Again {
				m.Headers = append(m.Headers, &sarama.RecordHeader{Key: []byte(k), Value: []byte(v)})
			}
			handle := saramamw.Handler(func(ctx context.Context, _ *sarama.ConsumerMessage) error { return d.Handle(ctx) }, saramamw.WithTelemetry(d.Telemetry))
			_ = handle(t.Context(), m)
			return nil
		},
	})
	mwtest.TestClient(t, mwtest.Client{
		Kind: trace.SpanKindProducer, Family: "messaging_client_operation_duration_seconds", Headers: true,
		Dependency: hop.Dependency{Name: "orders.placed", Kind: hop.KindProduce},
		Call: func(_ *testing.T, ctx context.Context, c mwtest.Outbound) {
			p := saramamw.NewSyncProducer(sender{remote: c.Remote}, saramamw.WithTelemetry(c.Telemetry))
			_, _, _ = p.SendMessage(ctx, &sarama.ProducerMessage{Topic: "orders.placed"})
		},
	})
}
