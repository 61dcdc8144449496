package kafkamw

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/mwtest"
)

func TestConformance(t *testing.T) {
	mwtest.TestServer(t, mwtest.Server{
		Operation: "process orders.placed", Kind: trace.SpanKindConsumer, Family: "messaging_process_duration_seconds",
		Deliver: func(t *testing.T, d mwtest.Delivery) map[string]string {
			r := &kgo.Record{Topic: "orders.placed"}
			for k, v := range d.Headers {
				r.Headers = append(r.Headers, kgo.RecordHeader{Key: k, Value: []byte(v)})
			}
			for k, v := range d.Again {
				r.Headers = append(r.Headers, kgo.RecordHeader{Key: k, Value: []byte(v)})
			}
			handle := Handler(func(ctx context.Context, _ *kgo.Record) error { return d.Handle(ctx) }, WithTelemetry(d.Telemetry))
			_ = handle(t.Context(), r)
			return nil
		},
	})
	mwtest.TestClient(t, mwtest.Client{
		Kind: trace.SpanKindProducer, Family: "messaging_client_operation_duration_seconds", Headers: true,
		NoWait: true, // kgo.Client.Produce calls the hooks and does not block
		Call: func(_ *testing.T, ctx context.Context, c mwtest.Outbound) {
			p, r := newProducer(WithTelemetry(c.Telemetry)), &kgo.Record{Topic: "orders.placed", Context: ctx}
			p.OnProduceRecordBuffered(r)
			headers := map[string]string{}
			for _, h := range r.Headers {
				headers[h.Key] = string(h.Value)
			}
			p.OnProduceRecordUnbuffered(r, c.Remote(headers))
		},
	})
}
