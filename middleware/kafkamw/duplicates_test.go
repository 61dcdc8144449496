package kafkamw_test

import (
	"context"
	"testing"
	"time"

	"github.com/tenhop/tenhop/middleware/kafkamw"
	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A record with two traceparents (as retries of spring-kafka wrote them,
// spring-kafka#3816, #3791) is passed on to a dead-letter topic with its
// headers: Get reads the last one, Set replaces the first.
func TestRepublishedRecordPointsToItsSender(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "dead"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	rec := mwtest.New(t)
	tel := kafkamw.WithTelemetry(rec.Telemetry)
	cl, err := kgo.NewClient(append(kafkamw.ClientOptions(tel), kgo.SeedBrokers(c.ListenAddrs()...))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	in := &kgo.Record{Topic: "orders", Timestamp: time.Now(), Headers: []kgo.RecordHeader{
		{Key: "traceparent", Value: []byte("00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-1111111111111111-01")},
		{Key: "traceparent", Value: []byte("00-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-2222222222222222-01")}}}
	var out *kgo.Record
	err = kafkamw.Handler(func(ctx context.Context, r *kgo.Record) error {
		out = &kgo.Record{Topic: "dead", Headers: r.Headers}
		return kafkamw.Produce(ctx, cl, out)
	}, tel)(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	_ = kafkamw.Handler(func(context.Context, *kgo.Record) error { return nil }, tel)(context.Background(), out)
	send, n := rec.Span("send dead").SpanContext.SpanID(), 0
	for _, h := range out.Headers {
		if h.Key == "traceparent" {
			n++
		}
	}
	if p := rec.Span("process dead").Parent.SpanID(); p != send || n != 1 {
		t.Errorf("the consumer's parent is %s, the send span %s; %d traceparents on the wire", p, send, n)
	}
}
