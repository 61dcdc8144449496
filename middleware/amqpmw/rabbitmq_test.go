package amqpmw_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/amqpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// onBroker runs a test on a real RabbitMQ, with an exchange that feeds a queue
// and a channel in confirm mode. No fake speaks AMQP well enough to be worth it.
func onBroker(t *testing.T, test func(t *testing.T, ch *amqp.Channel, exchange, queue string)) {
	t.Run("rabbitmq", func(t *testing.T) {
		url := os.Getenv("TENHOP_TEST_AMQP")
		if url == "" {
			t.Skip("NOT TESTED ON RabbitMQ: TENHOP_TEST_AMQP is not set; deploy/real/run sets it")
		}
		conn, err := amqp.Dial(url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := conn.Close(); err != nil {
				t.Errorf("close the connection: %v", err)
			}
		})
		ch, err := conn.Channel()
		if err != nil {
			t.Fatal(err)
		}
		exchange := fmt.Sprintf("orders.%d", time.Now().UnixNano())
		queue := exchange + ".shipping"
		_, queued := ch.QueueDeclare(queue, false, true, true, false, nil)
		if err := errors.Join(ch.Confirm(false), ch.ExchangeDeclare(exchange, "topic", false, true, false, false, nil), queued,
			ch.QueueBind(queue, "order.*", exchange, false, nil)); err != nil {
			t.Fatal(err)
		}
		test(t, ch, exchange, queue)
	})
}

func receive(t *testing.T, ch *amqp.Channel, queue string, n int) []amqp.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	deliveries, err := ch.ConsumeWithContext(ctx, queue, "", false, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	var all []amqp.Delivery
	for len(all) < n {
		d, ok := <-deliveries
		if !ok {
			t.Fatalf("%d of %d deliveries", len(all), n)
		}
		all = append(all, d)
	}
	return all
}

func TestMessageStaysInThePublishersTrace(t *testing.T) {
	onBroker(t, func(t *testing.T, ch *amqp.Channel, exchange, queue string) {
		rec := mwtest.New(t)
		publisher := amqpmw.NewPublisher(ch, amqpmw.WithTelemetry(rec.Telemetry))
		ctx, h := rec.Core().Begin(t.Context(), adapter.Incoming{Protocol: "http", Operation: "POST /checkout", SpanKind: trace.SpanKindServer})
		shared := amqp.Table{"kind": "order"}
		before := time.Now().Truncate(time.Millisecond)
		if err := publisher.Publish(ctx, exchange, "order.placed", true, false, amqp.Publishing{Headers: shared, Body: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
		h.End(adapter.Outcome{Quiet: true})
		if len(shared) != 1 {
			t.Errorf("the caller's table is now %v", shared)
		}
		var entry, flow, id string
		handle := amqpmw.Handler(func(ctx context.Context, d amqp.Delivery) error {
			in := adapter.FromContext(ctx)
			entry, flow, id = in.Entry(), in.Flow(), in.CorrelationID()
			return d.Ack(false)
		}, amqpmw.WithTelemetry(rec.Telemetry))
		got := receive(t, ch, queue, 1)[0]
		if err := handle(t.Context(), got); err != nil {
			t.Fatal(err)
		}
		if entry != "POST /checkout" || flow != "async" || id != h.CorrelationID() {
			t.Errorf("entry %q, flow %q, correlation ID %q", entry, flow, id)
		}
		send, process := span(t, rec, "send "+exchange), span(t, rec, "process "+exchange)
		if send.Kind != trace.SpanKindProducer || process.Kind != trace.SpanKindConsumer {
			t.Errorf("kinds %s and %s", send.Kind, process.Kind)
		}
		if process.Parent.SpanID() != send.SpanContext.SpanID() || send.Parent.SpanID() != h.Span().SpanContext().SpanID() {
			t.Error("the message's spans are not one chain")
		}
		for _, s := range []mwtest.Span{send, process} {
			a := s.Attributes
			if a["messaging.system"] != "rabbitmq" || a["messaging.rabbitmq.destination.routing_key"] != "order.placed" ||
				a["messaging.rabbitmq.message.delivery_tag"] != "1" {
				t.Errorf("%s has %v", s.Name, a)
			}
		}
		// In seconds alone, the wait could seem up to a second longer than the test.
		if s := rec.Sum("hop_queue_wait_seconds", "operation", "process "+exchange, "entry", "POST /checkout"); s > time.Since(before).Seconds() {
			t.Errorf("queue wait %v s", s)
		}
		for _, c := range []struct {
			family string
			labels []string
		}{
			{"hop_queue_wait_seconds", []string{"operation", "process " + exchange, "entry", "POST /checkout"}},
			{"hop_wait_duration_seconds", []string{"dependency", exchange, "dependency_kind", "produce"}},
			{"messaging_client_operation_duration_seconds", []string{"messaging_destination_name", exchange, "messaging_system", "rabbitmq"}},
			{"messaging_process_duration_seconds", []string{"messaging_destination_name", exchange}},
		} {
			if n := rec.Count(c.family, c.labels...); n != 1 {
				t.Errorf("%s%v counts %d", c.family, c.labels, n)
			}
		}
	})
}

// On the default exchange a message belongs to the queue that its key names.
func TestBatchFromTheDefaultExchangeLinksToItsPublishers(t *testing.T) {
	onBroker(t, func(t *testing.T, ch *amqp.Channel, _, queue string) {
		rec := mwtest.New(t)
		publisher := amqpmw.NewPublisher(ch, amqpmw.WithTelemetry(rec.Telemetry))
		for range 3 {
			if err := publisher.Publish(t.Context(), "", queue, true, false, amqp.Publishing{}); err != nil {
				t.Fatal(err)
			}
		}
		handle := amqpmw.BatchHandler(func(_ context.Context, ds []amqp.Delivery) error { return ds[len(ds)-1].Ack(true) }, amqpmw.WithTelemetry(rec.Telemetry))
		if err := handle(t.Context(), receive(t, ch, queue, 3)); err != nil {
			t.Fatal(err)
		}
		if s := span(t, rec, "process "+queue); len(s.Links) != 3 || s.Parent.IsValid() || s.Attributes["messaging.batch.message_count"] != "3" {
			t.Errorf("%d links, parent %v, attributes %v", len(s.Links), s.Parent, s.Attributes)
		}
	})
}

func TestRefusedMessagesEndTheirSpans(t *testing.T) {
	onBroker(t, func(t *testing.T, ch *amqp.Channel, _, queue string) {
		rec := mwtest.New(t)
		publisher := amqpmw.NewPublisher(ch, amqpmw.WithTelemetry(rec.Telemetry))
		if _, err := ch.QueueDeclare(queue+".full", false, true, true, false, amqp.Table{"x-max-length": 0, "x-overflow": "reject-publish"}); err != nil {
			t.Fatal(err)
		}
		if err := publisher.Publish(t.Context(), "", queue+".full", false, false, amqp.Publishing{}); !errors.Is(err, amqpmw.ErrNacked) {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := publisher.Publish(ctx, "", queue, false, false, amqp.Publishing{}); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		closed := ch.NotifyClose(make(chan *amqp.Error, 1))
		if err := publisher.Publish(t.Context(), "no such exchange", "", false, false, amqp.Publishing{}); !errors.Is(err, amqpmw.ErrNacked) {
			t.Fatal(err)
		}
		<-closed
		if err := publisher.Publish(t.Context(), "", queue, false, false, amqp.Publishing{}); !errors.Is(err, amqp.ErrClosed) {
			t.Fatal(err)
		}
		for errorType, want := range map[string]int{"nacked": 2, "canceled": 1, "AMQP_504": 1} {
			if n := rec.Count("messaging_client_operation_duration_seconds", "error_type", errorType); n != want {
				t.Errorf("%s: %d, want %d", errorType, n, want)
			}
		}
		if rec.OpenSpans() != 0 {
			t.Errorf("%d spans are open", rec.OpenSpans())
		}
	})
}

func TestWithoutConfirmModePublishDoesNotWaitForTheBroker(t *testing.T) {
	onBroker(t, func(t *testing.T, _ *amqp.Channel, _, queue string) {
		rec := mwtest.New(t)
		conn, err := amqp.Dial(os.Getenv("TENHOP_TEST_AMQP"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		ch, err := conn.Channel()
		if err != nil {
			t.Fatal(err)
		}
		publisher := amqpmw.NewPublisher(ch, amqpmw.WithTelemetry(rec.Telemetry))
		if err := publisher.Publish(t.Context(), "", queue, false, false, amqp.Publishing{}); err != nil {
			t.Fatal(err)
		}
		if s := span(t, rec, "send "+queue); s.Attributes["messaging.rabbitmq.message.delivery_tag"] != "" {
			t.Errorf("attributes %v", s.Attributes)
		}
	})
}

// What the service's example does with a message that can never succeed.
func TestPoisonMessageIsDeadLettered(t *testing.T) {
	onBroker(t, func(t *testing.T, ch *amqp.Channel, exchange, _ string) {
		rec := mwtest.New(t)
		live, dead := exchange+".live", exchange+".dead"
		_, deadErr := ch.QueueDeclare(dead, false, true, true, false, nil)
		// Not deleted with its consumer: a queue that is gone has no dead letters.
		_, liveErr := ch.QueueDeclare(live, false, false, true, false, amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
		if err := errors.Join(deadErr, liveErr, ch.QueueBind(live, "order.*", exchange, false, nil), ch.Qos(20, 0, false)); err != nil {
			t.Fatal(err)
		}
		publisher := amqpmw.NewPublisher(ch, amqpmw.WithTelemetry(rec.Telemetry))
		if err := publisher.Publish(t.Context(), exchange, "order.placed", false, false, amqp.Publishing{Body: []byte("{")}); err != nil {
			t.Fatal(err)
		}
		poison := errors.New("not JSON")
		handle := amqpmw.Handler(func(_ context.Context, d amqp.Delivery) error { return errors.Join(poison, d.Nack(false, false)) },
			amqpmw.WithTelemetry(rec.Telemetry), amqpmw.WithQueue(live))
		if err := handle(t.Context(), receive(t, ch, live, 1)[0]); !errors.Is(err, poison) {
			t.Fatal(err)
		}
		if d := receive(t, ch, dead, 1)[0]; d.Redelivered || string(d.Body) != "{" {
			t.Errorf("dead letter %+v", d)
		}
		if s := span(t, rec, "process "+exchange+":"+live); s.Attributes["messaging.rabbitmq.destination.routing_key"] != "order.placed" {
			t.Errorf("attributes %v", s.Attributes)
		}
	})
}
