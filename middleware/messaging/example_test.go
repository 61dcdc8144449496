package messaging_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/propagation"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/messaging"
)

// A broker that is a channel: what an adapter is written around.
type message struct {
	topic   string
	sent    time.Time
	headers propagation.MapCarrier
	body    string
}

var memory = messaging.System{Name: "memory"}

// telemetry is hop.Default() in a service of one's own.
func telemetry(logger zerolog.Logger) *hop.Telemetry {
	t, err := hop.New(hop.WithServiceName("shop"), hop.WithRegistry(prometheus.NewRegistry()), hop.WithZerolog(logger))
	if err != nil {
		panic(err)
	}
	return t
}

// request is a hop that sends: in a service, httpmw or grpcmw begins it.
func request(t *hop.Telemetry) (context.Context, *adapter.Hop) {
	return t.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "POST /checkout",
		Carrier: propagation.MapCarrier{"x-correlation-id": "order-42"}})
}

// A message carries the request that sent it to the hop that processes it.
func Example() {
	t := telemetry(zerolog.Nop())
	producer := messaging.NewProducer(memory, messaging.WithTelemetry(t))
	consumer := messaging.NewConsumer(memory, messaging.WithTelemetry(t))
	queue := make(chan message, 1)

	send := func(ctx context.Context, m message) {
		defer memory.Wait(ctx, m.topic).End() // the send blocks its caller
		m.sent, m.headers = time.Now(), propagation.MapCarrier{}
		var s messaging.Sending
		producer.Begin(ctx, &s, m.topic, m.headers)
		queue <- m
		s.End(nil)
	}
	process := func(ctx context.Context, m message, fn func(context.Context, message) error) error {
		d := messaging.Delivery{Destination: m.topic, Produced: m.sent, Carrier: m.headers}
		return messaging.Process(ctx, consumer, &messaging.Processing{}, &d, m, fn)
	}

	ctx, h := request(t)
	send(ctx, message{topic: "orders.placed", body: "one lamp"})
	h.End(adapter.Outcome{Message: "request"})
	err := process(context.Background(), <-queue, func(ctx context.Context, m message) error {
		in := adapter.FromContext(ctx)
		fmt.Printf("%s: %s for %s (%s)\n", in.Operation(), m.body, in.Entry(), in.CorrelationID())
		return nil
	})
	fmt.Println("error:", err)
	// Output:
	// process orders.placed: one lamp for POST /checkout (order-42)
	// error: <nil>
}

// fields prints some fields of each log line.
type fields []string

func (f fields) Write(line []byte) (int, error) {
	var all map[string]any
	if err := json.Unmarshal(line, &all); err != nil {
		return 0, err
	}
	for _, name := range f {
		fmt.Println(name, "=", all[name])
	}
	return len(line), nil
}

var errFull = errors.New("no room")

// A broker names its own errors for error.type, and tells generated names.
func ExampleSystem() {
	system := messaging.System{
		Name: "memory",
		ErrorType: func(err error) string {
			if errors.Is(err, errFull) {
				return "QUEUE_FULL"
			}
			return ""
		},
		Temporary: func(destination string) bool { return strings.HasPrefix(destination, "reply-") },
	}
	t := telemetry(zerolog.New(fields{"operation", "error_type", "error"}))
	consumer := messaging.NewConsumer(system, messaging.WithTelemetry(t))
	d := messaging.Delivery{Destination: "reply-7", Carrier: propagation.MapCarrier{}}
	_ = messaging.Process(context.Background(), consumer, &messaging.Processing{}, &d, "answer", func(context.Context, string) error {
		return fmt.Errorf("forward: %w", errFull)
	})
	// Output:
	// operation = process (temporary)
	// error_type = QUEUE_FULL
	// error = forward: no room
}

// A batch belongs to no single request: its span links to the senders'.
func ExampleProcessBatch() {
	consumer := messaging.NewConsumer(memory, messaging.WithTelemetry(telemetry(zerolog.Nop())))
	describe := func(m *message) messaging.Delivery {
		return messaging.Delivery{Destination: m.topic, Produced: m.sent, Carrier: m.headers}
	}
	batch := []message{{topic: "orders.placed", body: "lamp"}, {topic: "orders.placed", body: "desk"}}
	err := messaging.ProcessBatch(context.Background(), consumer, batch, describe, func(ctx context.Context, ms []message) error {
		fmt.Println(hop.Operation(ctx), len(ms))
		return nil
	})
	fmt.Println("error:", err)
	// Output:
	// process orders.placed 2
	// error: <nil>
}

// The relay of an outbox restores the request that wrote the row, sends, and says
// how long the row waited.
func ExamplePublishWait() {
	t := telemetry(zerolog.Nop())
	ctx, h := request(t)
	row := struct {
		context   map[string]string
		committed time.Time
	}{hop.Snapshot(ctx), time.Now()}
	h.End(adapter.Outcome{Message: "request"})

	ctx = hop.Restore(context.Background(), row.context)
	messaging.PublishWait(ctx, t, "orders.placed", row.committed)
	fmt.Println(hop.EntryOf(ctx), hop.CorrelationID(ctx))
	// Output: POST /checkout order-42
}

// Two queues of one exchange are two operations.
func ExampleWithQueue() {
	t := telemetry(zerolog.Nop())
	for _, queue := range []string{"shipping", "billing"} {
		consumer := messaging.NewConsumer(memory, messaging.WithTelemetry(t), messaging.WithQueue(queue))
		d := messaging.Delivery{Destination: "orders", Carrier: propagation.MapCarrier{}}
		_ = messaging.Process(context.Background(), consumer, &messaging.Processing{}, &d, "one lamp", func(ctx context.Context, _ string) error {
			fmt.Println(hop.Operation(ctx))
			return nil
		})
	}
	// Output:
	// process orders:shipping
	// process orders:billing
}

// A message that goes on with the headers it came with has one of each, the sender's own.
func ExampleSetHeader() {
	type header struct{ key, value string }
	is := func(h header, key string) bool { return strings.EqualFold(h.key, key) }
	came := []header{{"traceparent", "a"}, {"k", "1"}, {"tracestate", "old=1"}, {"Traceparent", "b"}}
	var w messaging.HeaderWriter
	fmt.Println(messaging.SetHeader(&w, came, header{"traceparent", "own"}, "traceparent", is))
	// Output: [{traceparent own} {k 1}]
}
