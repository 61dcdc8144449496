package kafkagomw_test

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/kafkagomw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// watched calls a function with the headers of each message on its way to the
// broker.
type watched struct {
	kafka.Transport
	remote func(headers map[string]string) error
}

func (w *watched) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	p, ok := req.(*produce.Request)
	if !ok {
		return w.Transport.RoundTrip(ctx, addr, req)
	}
	set := &p.Topics[0].Partitions[0].RecordSet
	var records []protocol.Record
	for {
		r, err := set.Records.ReadRecord()
		if err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		records = append(records, *r)
	}
	set.Records = protocol.NewRecordReader(records...)
	headers := map[string]string{}
	for _, h := range records[0].Headers {
		headers[h.Key] = string(h.Value)
	}
	if err := w.remote(headers); err != nil {
		return nil, err
	}
	return w.Transport.RoundTrip(ctx, addr, req)
}

func TestConformance(t *testing.T) {
	mwtest.TestServer(t, mwtest.Server{
		Operation: "process orders.placed", Kind: trace.SpanKindConsumer, Family: "messaging_process_duration_seconds",
		Deliver: func(t *testing.T, d mwtest.Delivery) map[string]string {
			m := kafka.Message{Topic: "orders.placed"}
			for k, v := range d.Headers {
				m.Headers = append(m.Headers, kafka.Header{Key: k, Value: []byte(v)})
			}
			for k, v := range d.Again {
				m.Headers = append(m.Headers, kafka.Header{Key: k, Value: []byte(v)})
			}
			handle := kafkagomw.Handler(func(ctx context.Context, _ kafka.Message) error { return d.Handle(ctx) }, kafkagomw.WithTelemetry(d.Telemetry))
			_ = handle(t.Context(), m)
			return nil
		},
	})
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders.placed"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	mwtest.TestClient(t, mwtest.Client{
		Kind: trace.SpanKindProducer, Family: "messaging_client_operation_duration_seconds", Headers: true,
		Dependency: hop.Dependency{Name: "orders.placed", Kind: hop.KindProduce},
		Call: func(t *testing.T, ctx context.Context, c mwtest.Outbound) {
			transport := &watched{remote: c.Remote}
			defer transport.CloseIdleConnections()
			w := kafkagomw.NewWriter(&kafka.Writer{Addr: kafka.TCP(broker.ListenAddrs()...), Topic: "orders.placed", Transport: transport,
				MaxAttempts: 1, BatchSize: 1, RequiredAcks: kafka.RequireAll}, kafkagomw.WithTelemetry(c.Telemetry))
			_ = w.WriteMessages(ctx, kafka.Message{Value: []byte("1")})
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		},
	})
}
