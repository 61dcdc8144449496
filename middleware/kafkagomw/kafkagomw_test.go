package kafkagomw_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/kafkagomw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// brokers runs a test on kfake and on the real Kafka when there is one.
func brokers(t *testing.T, test func(t *testing.T, addr, topic string)) {
	t.Run("kfake", func(t *testing.T) {
		broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders.placed"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(broker.Close)
		test(t, broker.ListenAddrs()[0], "orders.placed")
	})
	t.Run("kafka", func(t *testing.T) {
		addr := os.Getenv("TENHOP_TEST_KAFKA")
		if addr == "" {
			t.Skip("NOT TESTED ON Apache Kafka: TENHOP_TEST_KAFKA is not set; deploy/real/run sets it")
		}
		topic := fmt.Sprintf("kafkagomw.%d", time.Now().UnixNano())
		client := &kafka.Client{Addr: kafka.TCP(addr)}
		made, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{
			Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}}})
		if err != nil || made.Errors[topic] != nil {
			t.Fatal(err, made)
		}
		test(t, addr, topic)
	})
}

func newWriter(t *testing.T, w *kafka.Writer, rec *mwtest.Recorder) *kafkagomw.Writer {
	t.Helper()
	w.BatchTimeout = time.Millisecond
	transport := &kafka.Transport{}
	w.Transport = transport
	measured := kafkagomw.NewWriter(w, kafkagomw.WithTelemetry(rec.Telemetry))
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("close the writer: %v", err)
		}
		transport.CloseIdleConnections()
	})
	return measured
}

func read(t *testing.T, addr, topic string, n int) []kafka.Message {
	t.Helper()
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{addr}, GroupID: "shipping-" + topic, Topic: topic, StartOffset: kafka.FirstOffset})
	defer reader.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all []kafka.Message
	for len(all) < n {
		m, err := reader.FetchMessage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	if err := reader.CommitMessages(ctx, all...); err != nil {
		t.Error(err)
	}
	return all
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
	brokers(t, func(t *testing.T, addr, topic string) {
		rec := mwtest.New(t)
		writer := newWriter(t, &kafka.Writer{Addr: kafka.TCP(addr), Topic: topic}, rec)
		ctx, h := rec.Core().Begin(t.Context(), adapter.Incoming{Protocol: "http", Operation: "POST /checkout", SpanKind: trace.SpanKindServer})
		shared := make([]kafka.Header, 1, 8)
		shared[0] = kafka.Header{Key: "kind", Value: []byte("order")}
		sent := []kafka.Message{{Key: []byte("alice@example.com"), Headers: shared}}
		if err := writer.WriteMessages(ctx, sent...); err != nil {
			t.Fatal(err)
		}
		h.End(adapter.Outcome{Quiet: true})
		if sent[0].WriterData != nil || len(sent[0].Headers) != 1 || shared[:2][1].Key != "" {
			t.Errorf("the caller's message is now %+v", sent[0])
		}
		var entry, flow, id string
		handle := kafkagomw.Handler(func(ctx context.Context, _ kafka.Message) error {
			in := adapter.FromContext(ctx)
			entry, flow, id = in.Entry(), in.Flow(), in.CorrelationID()
			return nil
		}, kafkagomw.WithTelemetry(rec.Telemetry), kafkagomw.WithConsumerGroup("shipping"))
		if err := handle(t.Context(), read(t, addr, topic, 1)[0]); err != nil {
			t.Fatal(err)
		}
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
			if s.Attributes["messaging.kafka.offset"] != "0" || s.Attributes["messaging.destination.partition.id"] != "0" {
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

func TestBatchLinksToItsProducers(t *testing.T) {
	brokers(t, func(t *testing.T, addr, topic string) {
		rec := mwtest.New(t)
		writer := newWriter(t, &kafka.Writer{Addr: kafka.TCP(addr)}, rec)
		if err := writer.WriteMessages(t.Context(), kafka.Message{Topic: topic}, kafka.Message{Topic: topic}, kafka.Message{Topic: topic}); err != nil {
			t.Fatal(err)
		}
		batch := kafkagomw.BatchHandler(func(context.Context, []kafka.Message) error { return nil }, kafkagomw.WithTelemetry(rec.Telemetry))
		if err := batch(t.Context(), read(t, addr, topic, 3)); err != nil {
			t.Fatal(err)
		}
		if s := span(t, rec, "process "+topic); len(s.Links) != 3 || s.Parent.IsValid() || s.Attributes["messaging.batch.message_count"] != "3" {
			t.Errorf("%d links, parent %v, attributes %v", len(s.Links), s.Parent, s.Attributes)
		}
	})
}

// An Async writer's spans end with the broker's answer, and the Completion that
// the user set sees the user's own data.
func TestAsyncWriterEndsSpansWithTheAnswer(t *testing.T) {
	brokers(t, func(t *testing.T, addr, topic string) {
		rec := mwtest.New(t)
		const n = 20
		var mu sync.Mutex
		seen := map[any]bool{}
		all := make(chan struct{})
		writer := newWriter(t, &kafka.Writer{Addr: kafka.TCP(addr), Topic: topic, Async: true, Completion: func(ms []kafka.Message, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			for _, m := range ms {
				if seen[m.WriterData] = true; len(seen) == n {
					close(all)
				}
			}
		}}, rec)
		for i := range n {
			if err := writer.WriteMessages(t.Context(), kafka.Message{WriterData: i}); err != nil {
				t.Fatal(err)
			}
		}
		<-all
		if spans := len(rec.Spans()); spans != n || rec.OpenSpans() != 0 || !seen[n-1] {
			t.Errorf("%d spans ended, %d are open", spans, rec.OpenSpans())
		}
	})
}

func TestRefusedMessagesEndTheirSpans(t *testing.T) {
	brokers(t, func(t *testing.T, addr, topic string) {
		rec := mwtest.New(t)
		writer := newWriter(t, &kafka.Writer{Addr: kafka.TCP(addr), Topic: topic}, rec)
		err := writer.WriteMessages(t.Context(), kafka.Message{WriterData: "small"}, kafka.Message{Value: make([]byte, 2<<20), WriterData: "large"})
		var large kafka.MessageTooLargeError
		if !errors.As(err, &large) || large.Message.WriterData != "large" || large.Remaining[0].WriterData != "small" {
			t.Fatalf("%v: %v", err, large)
		}
		if n := rec.Count("messaging_client_operation_duration_seconds", "error_type", "MESSAGE_SIZE_TOO_LARGE"); n != 2 || rec.OpenSpans() != 0 {
			t.Errorf("%d failed, %d spans are open", n, rec.OpenSpans())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := writer.WriteMessages(ctx, kafka.Message{}); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if n := rec.Count("messaging_client_operation_duration_seconds", "error_type", "canceled"); n != 1 || rec.OpenSpans() != 0 {
			t.Errorf("%d canceled, %d spans are open", n, rec.OpenSpans())
		}
		if err := writer.WriteMessages(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestHostileHeadersDoNoHarm(t *testing.T) {
	rec := mwtest.New(t)
	handle := kafkagomw.Handler(func(context.Context, kafka.Message) error { return nil }, kafkagomw.WithTelemetry(rec.Telemetry))
	long := []byte(strings.Repeat("a=b,", 1<<16))
	for _, h := range []kafka.Header{{}, {Key: "traceparent", Value: []byte("00-zz")}, {Key: "traceparent", Value: long},
		{Key: "baggage", Value: long}, {Key: "x-correlation-id", Value: []byte("a\nb\xff")}} {
		if err := handle(t.Context(), kafka.Message{Topic: "orders", Time: time.UnixMilli(-1), Headers: []kafka.Header{h}}); err != nil {
			t.Error(err)
		}
	}
	for _, s := range rec.Spans() {
		if id := s.Attributes["correlation_id"]; s.Parent.IsValid() || len(id) != 36 || s.Attributes["hop.queue_wait_ms"] != "" {
			t.Errorf("parent %v, attributes %v", s.Parent, s.Attributes)
		}
	}
}

func TestFailureAndPanicAreReported(t *testing.T) {
	for want, fn := range map[string]kafkagomw.MessageFunc{
		"NOT_LEADER_FOR_PARTITION": func(context.Context, kafka.Message) error { return fmt.Errorf("send: %w", kafka.NotLeaderForPartition) },
		"KAFKA_999":                func(context.Context, kafka.Message) error { return kafka.Error(999) },
		"panic":                    func(context.Context, kafka.Message) error { panic("x") },
	} {
		t.Run(want, func(t *testing.T) {
			rec := mwtest.New(t)
			handle := kafkagomw.Handler(fn, kafkagomw.WithTelemetry(rec.Telemetry))
			func() {
				defer func() {
					if (recover() != nil) != (want == "panic") {
						t.Error("the panic did not go on, or there was one")
					}
				}()
				_ = handle(t.Context(), kafka.Message{Topic: "orders"})
			}()
			if span(t, rec, "process orders").Status != codes.Error || rec.Lines()[0]["error_type"] != want {
				t.Errorf("spans %v, log %v", rec.Spans(), rec.Lines())
			}
		})
	}
}

func TestWrongUsePanicsAtConstruction(t *testing.T) {
	for why, make := range map[string]func(){
		"nil function": func() { kafkagomw.Handler(nil) }, "nil batch function": func() { kafkagomw.BatchHandler(nil) },
		"nil writer": func() { kafkagomw.NewWriter(nil) },
	} {
		func() {
			defer func() {
				if msg, _ := recover().(string); !strings.HasPrefix(msg, "kafkagomw: ") {
					t.Errorf("%s: %q", why, msg)
				}
			}()
			make()
		}()
	}
}
