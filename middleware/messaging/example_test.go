package messaging_test

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/propagation"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/messaging"
)

// letter is a message of a broker that has no adapter yet.
type letter struct {
	subject string
	headers map[string]string
	sent    time.Time
	body    string
}

// Both sides of an adapter for another broker: Begin and End around what sends,
// Process around what handles.
func Example() {
	t, err := hop.New(hop.WithServiceName("shop"), hop.WithRegistry(prometheus.NewRegistry()), hop.WithLogger(zerolog.Nop()))
	if err != nil {
		fmt.Println(err)
		return
	}
	nats := messaging.System{Name: "nats"}
	producer, consumer := messaging.NewProducer(nats, messaging.WithTelemetry(t)), messaging.NewConsumer(nats, messaging.WithTelemetry(t))
	wire := make(chan letter, 1)

	send := func(ctx context.Context, subject, body string) {
		defer producer.Wait(ctx, subject).End() // the hop waits for the broker
		l := letter{subject, map[string]string{}, time.Now(), body}
		var s messaging.Sending
		producer.Begin(ctx, &s, subject, propagation.MapCarrier(l.headers))
		wire <- l
		s.End(nil)
	}
	handle := func(ctx context.Context, l letter) error {
		d := messaging.Delivery{Destination: l.subject, Produced: l.sent, Carrier: propagation.MapCarrier(l.headers)}
		return messaging.Process(ctx, consumer, &messaging.Processing{}, &d, l, func(ctx context.Context, l letter) error {
			fmt.Println(hop.FromContext(ctx).Operation(), "for", hop.EntryOf(ctx), "got", l.body)
			return nil
		})
	}

	ctx, h := t.Begin(context.Background(), hop.Incoming{Protocol: "http", Operation: "POST /orders"})
	send(ctx, "orders", "17")
	h.End(hop.Outcome{})
	if err := handle(context.Background(), <-wire); err != nil {
		fmt.Println(err)
	}
	// Output: process orders for POST /orders got 17
}

// The wait of an outbox row, told when it is sent: from its commit to now.
func ExamplePublishWait() {
	var row struct {
		headers   map[string]string // of hop.Snapshot
		committed time.Time
	}
	messaging.PublishWait(hop.Restore(context.Background(), row.headers), nil, "orders", row.committed)
}

// Wait is for callers without a Producer.
func ExampleWait() {
	ctx := context.Background()
	defer messaging.Wait(ctx, "orders").End()
}

// A batch belongs to no single request: its span links to every sender's.
func ExampleProcessBatch() {
	consumer := messaging.NewConsumer(messaging.System{Name: "nats"})
	handle := func(ctx context.Context, batch []letter) error {
		return messaging.ProcessBatch(ctx, consumer, batch, func(l *letter) messaging.Delivery {
			return messaging.Delivery{Destination: l.subject, Produced: l.sent, Carrier: propagation.MapCarrier(l.headers)}
		}, func(_ context.Context, batch []letter) error {
			fmt.Println(len(batch), "letters")
			return nil
		})
	}
	if err := handle(context.Background(), []letter{{subject: "orders"}, {subject: "orders"}}); err != nil {
		fmt.Println(err)
	}
	// Output: 2 letters
}
