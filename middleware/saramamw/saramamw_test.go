package saramamw_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/middleware/saramamw"
)

// brokers runs a test on kfake and on the real Kafka when there is one.
func brokers(t *testing.T, test func(t *testing.T, addrs []string, topic string)) {
	t.Run("kfake", func(t *testing.T) {
		broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders.placed"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(broker.Close)
		test(t, broker.ListenAddrs(), "orders.placed")
	})
	t.Run("kafka", func(t *testing.T) {
		addr := os.Getenv("TENHOP_TEST_KAFKA")
		if addr == "" {
			t.Skip("NOT TESTED ON Apache Kafka: TENHOP_TEST_KAFKA is not set; deploy/real/run sets it")
		}
		test(t, []string{addr}, fmt.Sprintf("saramamw.%d", time.Now().UnixNano()))
	})
}

func config() *sarama.Config {
	cfg := sarama.NewConfig()
	cfg.Producer.Return.Successes = true
	cfg.Consumer.Offsets.Initial = sarama.OffsetOldest
	return cfg
}

func syncProducer(t *testing.T, addrs []string, rec *mwtest.Recorder) *saramamw.SyncProducer {
	t.Helper()
	p, err := sarama.NewSyncProducer(addrs, config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close the producer: %v", err)
		}
	})
	return saramamw.NewSyncProducer(p, saramamw.WithTelemetry(rec.Telemetry))
}

// consume gives a group's messages to fn until it has handled n of them.
func consume(t *testing.T, addrs []string, topic string, n int, fn saramamw.MessageFunc, opts ...saramamw.Option) {
	t.Helper()
	group, err := sarama.NewConsumerGroup(addrs, "shipping-"+topic, config())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	handler := saramamw.GroupHandler(func(ctx context.Context, m *sarama.ConsumerMessage) error {
		defer func() {
			if n--; n == 0 {
				cancel()
			}
		}()
		return fn(ctx, m)
	}, opts...)
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{topic}, handler); err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
	}
	if err := group.Close(); err != nil {
		t.Error(err)
	}
	if n > 0 {
		t.Fatalf("%d messages did not come", n)
	}
}

func span(t *testing.T, rec *mwtest.Recorder, name string) mwtest.Span {
	t.Helper()
	for _, s := range rec.Spans() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no span %q ended", name)
	return mwtest.Span{}
}

func TestMessageStaysInTheProducersTrace(t *testing.T) {
	brokers(t, func(t *testing.T, addrs []string, topic string) {
		rec := mwtest.New(t)
		producer := syncProducer(t, addrs, rec)
		ctx, h := rec.Core().Begin(t.Context(), adapter.Incoming{Protocol: "http", Operation: "POST /checkout", SpanKind: trace.SpanKindServer})
		shared := make([]sarama.RecordHeader, 1, 8)
		shared[0] = sarama.RecordHeader{Key: []byte("kind"), Value: []byte("order")}
		message := &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder("alice@example.com"), Headers: shared, Metadata: "mine"}
		if _, _, err := producer.SendMessage(ctx, message); err != nil {
			t.Fatal(err)
		}
		h.End(adapter.Outcome{Quiet: true})
		if message.Metadata != "mine" || shared[:2][1].Key != nil {
			t.Errorf("metadata %v, header behind the caller's slice %v", message.Metadata, shared[:2][1])
		}
		var entry, flow, id string
		consume(t, addrs, topic, 1, func(ctx context.Context, _ *sarama.ConsumerMessage) error {
			in := adapter.FromContext(ctx)
			entry, flow, id = in.Entry(), in.Flow(), in.CorrelationID()
			return nil
		}, saramamw.WithTelemetry(rec.Telemetry), saramamw.WithConsumerGroup("shipping"))
		if entry != "POST /checkout" || flow != "async" || id != h.CorrelationID() {
			t.Errorf("entry %q, flow %q, correlation ID %q", entry, flow, id)
		}
		send, process := span(t, rec, "send "+topic), span(t, rec, "process "+topic)
		if send.Kind != trace.SpanKindProducer || process.Kind != trace.SpanKindConsumer {
			t.Errorf("kinds %s and %s", send.Kind, process.Kind)
		}
		if process.Parent.SpanID() != send.SpanContext.SpanID() || send.Parent.SpanID() != h.Span().SpanContext().SpanID() {
			t.Error("the message's spans are not one chain")
		}
		for _, s := range []mwtest.Span{send, process} {
			if p := s.Attributes["messaging.destination.partition.id"]; s.Attributes["messaging.kafka.offset"] != "0" ||
				p == "" || p != send.Attributes["messaging.destination.partition.id"] {
				t.Errorf("%s has %v", s.Name, s.Attributes)
			}
			for k, v := range s.Attributes {
				if strings.Contains(v, "alice") {
					t.Errorf("the message's key is in %s", k)
				}
			}
		}
		for _, c := range []struct {
			family string
			labels []string
		}{
			{"hop_queue_wait_seconds", []string{"operation", "process " + topic, "entry", "POST /checkout"}},
			{"hop_wait_duration_seconds", []string{"dependency", topic, "dependency_kind", "produce"}},
			{"messaging_client_operation_duration_seconds", []string{"messaging_destination_name", topic}},
			{"messaging_process_duration_seconds", []string{"messaging_destination_name", topic}},
		} {
			if n := rec.Count(c.family, c.labels...); n != 1 {
				t.Errorf("%s%v counts %d", c.family, c.labels, n)
			}
		}
	})
}

func TestSendMessagesHasASpanEach(t *testing.T) {
	brokers(t, func(t *testing.T, addrs []string, topic string) {
		rec := mwtest.New(t)
		producer := syncProducer(t, addrs, rec)
		err := producer.SendMessages(t.Context(), []*sarama.ProducerMessage{
			{Topic: topic}, {Topic: topic, Value: sarama.ByteEncoder(make([]byte, 2<<20))}, {Topic: topic}})
		var failed sarama.ProducerErrors
		if !errors.As(err, &failed) || len(failed) != 1 {
			t.Fatalf("%v, want one of three to be too large", err)
		}
		ok, bad := 0, 0
		for _, s := range rec.Spans() {
			if s.Status == codes.Error {
				bad++
			} else {
				ok++
			}
		}
		if ok != 2 || bad != 1 || rec.OpenSpans() != 0 {
			t.Errorf("%d spans ended well, %d badly, %d are open", ok, bad, rec.OpenSpans())
		}
		if err := producer.SendMessages(t.Context(), nil); err != nil {
			t.Error(err)
		}
		var got []*sarama.ConsumerMessage
		consume(t, addrs, topic, 2, func(_ context.Context, m *sarama.ConsumerMessage) error {
			got = append(got, m)
			return nil
		}, saramamw.WithTelemetry(mwtest.New(t).Telemetry))
		batch := saramamw.BatchHandler(func(context.Context, []*sarama.ConsumerMessage) error { return nil }, saramamw.WithTelemetry(rec.Telemetry))
		if err := batch(t.Context(), got); err != nil {
			t.Fatal(err)
		}
		if s := span(t, rec, "process "+topic); len(s.Links) != 2 || s.Parent.IsValid() || s.Attributes["messaging.batch.message_count"] != "2" {
			t.Errorf("%d links, parent %v, attributes %v", len(s.Links), s.Parent, s.Attributes)
		}
	})
}

func TestAsyncProducerEndsEverySpanOnce(t *testing.T) {
	brokers(t, func(t *testing.T, addrs []string, topic string) {
		rec := mwtest.New(t)
		p, err := sarama.NewAsyncProducer(addrs, config())
		if err != nil {
			t.Fatal(err)
		}
		producer := saramamw.NewAsyncProducer(p, config(), saramamw.WithTelemetry(rec.Telemetry))
		ctx, h := rec.Core().Begin(t.Context(), adapter.Incoming{Protocol: "http", Operation: "POST /checkout"})
		const n = 50
		go func() {
			for i := range n {
				m := &sarama.ProducerMessage{Topic: topic, Metadata: i}
				if i == n-1 {
					m.Value = sarama.ByteEncoder(make([]byte, 2<<20))
				}
				if err := producer.Send(ctx, m); err != nil {
					t.Error(err)
				}
			}
			producer.AsyncClose()
		}()
		seen := map[any]bool{}
		successes, failures := producer.Successes(), producer.Errors()
		for successes != nil || failures != nil {
			select {
			case m, ok := <-successes:
				if !ok {
					successes = nil
					continue
				}
				seen[m.Metadata] = true
			case e, ok := <-failures:
				if !ok {
					failures = nil
					continue
				}
				if seen[e.Msg.Metadata] = true; e.Msg.Metadata != n-1 {
					t.Errorf("message %v: %v", e.Msg.Metadata, e.Err)
				}
			}
		}
		h.End(adapter.Outcome{Quiet: true})
		if len(seen) != n || len(rec.Spans()) != n+1 || rec.OpenSpans() != 0 {
			t.Errorf("%d of %d came back with their metadata; %d spans ended, %d are open", len(seen), n, len(rec.Spans()), rec.OpenSpans())
		}
		if failed := rec.Count("messaging_client_operation_duration_seconds", "error_type", "sarama.ConfigurationError"); failed != 1 {
			t.Errorf("%d failed", failed)
		}
	})
}

// A message that failed is not marked: it comes again.
func TestFailedMessageComesAgain(t *testing.T) {
	brokers(t, func(t *testing.T, addrs []string, topic string) {
		rec := mwtest.New(t)
		if _, _, err := syncProducer(t, addrs, rec).SendMessage(t.Context(), &sarama.ProducerMessage{Topic: topic}); err != nil {
			t.Fatal(err)
		}
		attempts := 0
		consume(t, addrs, topic, 2, func(context.Context, *sarama.ConsumerMessage) error {
			if attempts++; attempts == 1 {
				return sarama.ErrNotLeaderForPartition
			}
			return nil
		}, saramamw.WithTelemetry(rec.Telemetry))
		if attempts != 2 || rec.Count("messaging_process_duration_seconds", "error_type", "KAFKA_6") != 1 {
			t.Errorf("%d attempts", attempts)
		}
	})
}

// A rebalance ends the session under a handler that is still busy.
func TestRebalanceIsNoFailure(t *testing.T) {
	brokers(t, func(t *testing.T, addrs []string, topic string) {
		rec := mwtest.New(t)
		if _, _, err := syncProducer(t, addrs, rec).SendMessage(t.Context(), &sarama.ProducerMessage{Topic: topic}); err != nil {
			t.Fatal(err)
		}
		group, err := sarama.NewConsumerGroup(addrs, "shipping-"+topic, config())
		if err != nil {
			t.Fatal(err)
		}
		defer group.Close()
		ctx, rebalance := context.WithCancel(t.Context())
		defer rebalance()
		handler := saramamw.GroupHandler(func(ctx context.Context, _ *sarama.ConsumerMessage) error {
			rebalance()
			<-ctx.Done()
			return fmt.Errorf("ship: %w", ctx.Err())
		}, saramamw.WithTelemetry(rec.Telemetry))
		if err := group.Consume(ctx, []string{topic}, handler); err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
		if s := span(t, rec, "process "+topic); s.Status != codes.Unset || s.Attributes["error.type"] != "consumer_closed" {
			t.Errorf("status %v, attributes %v", s.Status, s.Attributes)
		}
		if n := rec.Count("messaging_process_duration_seconds", "error_type", "consumer_closed"); n != 1 {
			t.Errorf("%d interrupted", n)
		}
	})
}

// A message that is sent again belongs to the second request and to its time.
func TestMessageIsGivenBackAsItCame(t *testing.T) {
	brokers(t, func(t *testing.T, addrs []string, topic string) {
		rec := mwtest.New(t)
		producer := syncProducer(t, addrs, rec)
		given := time.UnixMilli(1_700_000_000_000)
		m := &sarama.ProducerMessage{Topic: topic, Headers: []sarama.RecordHeader{{Key: []byte("kind"), Value: []byte("order")}}}
		stamped := &sarama.ProducerMessage{Topic: topic, Timestamp: given}
		large := &sarama.ProducerMessage{Topic: topic, Value: sarama.ByteEncoder(make([]byte, 2<<20))}
		for range 2 {
			if _, _, err := producer.SendMessage(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			if len(m.Headers) != 1 || !m.Timestamp.IsZero() {
				t.Errorf("%d headers, timestamp %v", len(m.Headers), m.Timestamp)
			}
			if err := producer.SendMessages(t.Context(), []*sarama.ProducerMessage{stamped, large}); err == nil {
				t.Fatal("too large a message was sent")
			}
			if len(stamped.Headers) != 0 || !stamped.Timestamp.Equal(given) || len(large.Headers) != 0 || !large.Timestamp.IsZero() {
				t.Errorf("sent: %d headers, timestamp %v; refused: %d, %v", len(stamped.Headers), stamped.Timestamp, len(large.Headers), large.Timestamp)
			}
		}
		var parents []string
		consume(t, addrs, topic, 4, func(_ context.Context, m *sarama.ConsumerMessage) error {
			for _, h := range m.Headers {
				if string(h.Key) == "traceparent" {
					parents = append(parents, string(h.Value))
				}
			}
			return nil
		}, saramamw.WithTelemetry(mwtest.New(t).Telemetry))
		slices.Sort(parents)
		if distinct := len(slices.Compact(slices.Clone(parents))); len(parents) != 4 || distinct != 4 {
			t.Errorf("%d messages have a parent, %d distinct ones", len(parents), distinct)
		}
	})
}

func TestHostileHeadersDoNoHarm(t *testing.T) {
	rec := mwtest.New(t)
	handle := saramamw.Handler(func(context.Context, *sarama.ConsumerMessage) error { return nil }, saramamw.WithTelemetry(rec.Telemetry))
	long := []byte(strings.Repeat("a=b,", 1<<16))
	for _, h := range []*sarama.RecordHeader{nil, {}, {Key: []byte("traceparent"), Value: []byte("00-zz")}, {Key: []byte("traceparent"), Value: long},
		{Key: []byte("baggage"), Value: long}, {Key: []byte("x-correlation-id"), Value: []byte("a\nb\xff")}} {
		if err := handle(t.Context(), &sarama.ConsumerMessage{Topic: "orders", Timestamp: time.UnixMilli(-1), Headers: []*sarama.RecordHeader{nil, h}}); err != nil {
			t.Error(err)
		}
	}
	for _, s := range rec.Spans() {
		if id := s.Attributes["correlation_id"]; s.Parent.IsValid() || len(id) != 36 || s.Attributes["hop.queue_wait_ms"] != "" {
			t.Errorf("parent %v, attributes %v", s.Parent, s.Attributes)
		}
	}
}

func TestPanicIsReportedAndGoesOn(t *testing.T) {
	rec := mwtest.New(t)
	handle := saramamw.Handler(func(context.Context, *sarama.ConsumerMessage) error { panic("x") }, saramamw.WithTelemetry(rec.Telemetry))
	defer func() {
		if recover() == nil || span(t, rec, "process orders").Status != codes.Error || rec.Lines()[0]["error_type"] != "panic" {
			t.Errorf("spans %v, log %v", rec.Spans(), rec.Lines())
		}
	}()
	_ = handle(t.Context(), &sarama.ConsumerMessage{Topic: "orders"})
}

func TestWrongUsePanicsAtConstruction(t *testing.T) {
	old := config()
	old.Version = sarama.V0_10_2_0
	for why, make := range map[string]func(){
		"nil function": func() { saramamw.Handler(nil) }, "nil batch function": func() { saramamw.BatchHandler(nil) },
		"nil group function": func() { saramamw.GroupHandler(nil) }, "nil sync producer": func() { saramamw.NewSyncProducer(nil) },
		"nil async producer":        func() { saramamw.NewAsyncProducer(nil, config()) },
		"successes not returned":    func() { saramamw.NewAsyncProducer(struct{ sarama.AsyncProducer }{}, sarama.NewConfig()) },
		"a version without headers": func() { saramamw.NewAsyncProducer(struct{ sarama.AsyncProducer }{}, old) },
	} {
		func() {
			defer func() {
				if msg, _ := recover().(string); !strings.HasPrefix(msg, "saramamw: ") {
					t.Errorf("%s: %q", why, msg)
				}
			}()
			make()
		}()
	}
}
