package adapter_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
)

func telemetry() *hop.Telemetry {
	t, err := hop.New(hop.WithServiceName("example"), hop.WithRegistry(prometheus.NewRegistry()), hop.WithZerolog(zerolog.Nop()))
	if err != nil {
		panic(err)
	}
	return t
}

// A job that is submitted while another one runs belongs to the same request.
func Example() {
	t := telemetry()
	deliver, err := Handler(t, func(ctx context.Context, j *Job) error {
		fmt.Println(j.Name, "for", adapter.EntryOf(ctx), adapter.CorrelationID(ctx))
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	submit, err := Client(t, "mail-queue", deliver)
	if err != nil {
		fmt.Println(err)
		return
	}
	first, err := Handler(t, func(ctx context.Context, _ *Job) error {
		return submit(ctx, &Job{Name: "send-mail"})
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = first(context.Background(), &Job{Name: "sign-up", Header: map[string]string{"x-correlation-id": "ticket-4711"}})
	// Output: send-mail for run sign-up ticket-4711
}

// What all messages share is made once. Each message has a Hop in the adapter's own
// record and borrows a buffer for the attributes known only at its end.
func ExampleFix() {
	core := telemetry().Core()
	fixed := adapter.Fix(adapter.AttrMessagingSystem.String("mqtt"), adapter.AttrMessagingTopic.String("doors"))
	type message struct {
		hop     adapter.Hop
		payload []byte
	}
	m := &message{payload: []byte("open")}
	ctx := core.BeginInto(context.Background(), &m.hop, &adapter.Incoming{Protocol: "mqtt", Operation: "process doors", Fixed: fixed, Async: true})
	fmt.Println(adapter.FromContext(ctx).Operation())
	buf := adapter.BorrowAttributes()
	defer buf.Return()
	m.hop.End(adapter.Outcome{Queued: true, QueueWait: -1, Attrs: append(buf[:0], attribute.Int("messaging.message.body.size", len(m.payload)))})
	// Output: process doors
}

// A Core without package hop, for an adapter that is a program of its own.
func ExampleNewCore() {
	core, err := adapter.NewCore(adapter.Config{ServiceName: "gate", Registerer: prometheus.NewRegistry()})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, h := core.Begin(context.Background(), adapter.Incoming{Protocol: "mqtt", Operation: "process doors"})
	h.End(adapter.Outcome{Quiet: true})
	fmt.Println(h.Operation())
	// Output: process doors
}

// The headers of a request outlive it.
func ExampleSnapshot() {
	ctx, h := telemetry().Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "POST /orders"})
	row := adapter.Snapshot(ctx)
	h.End(adapter.Outcome{})
	fmt.Println(adapter.EntryOf(adapter.Restore(context.Background(), row)))
	// Output: POST /orders
}

func ExampleErrorType() {
	fmt.Println(adapter.ErrorType(fmt.Errorf("order 7: %w", context.DeadlineExceeded)))
	fmt.Println(adapter.ErrorType(fmt.Errorf("order 7: %w", errors.New("full"))))
	fmt.Println(adapter.PanicError(nil))
	// Output:
	// timeout
	// *errors.errorString
	// panic: the handler's goroutine exited
}

func ExampleServiceOfHost() {
	for _, host := range []string{"payment.shop.svc.cluster.local", "api.example.com"} {
		fmt.Println(adapter.ServiceOfHost(host))
	}
	// Output:
	// payment
	// api.example.com
}

// An HTTP client does not tell a third party what a proxy has copied.
func ExampleReceivedIn() {
	received := adapter.ReceivedIn(http.Header{"Baggage": {"tier=gold"}, "X-Correlation-Id": {"c-1"}})
	outgoing := http.Header{"Accept": {"*/*"}, "Baggage": {"tier=gold,contract=7"}, "X-Correlation-Id": {"c-1"}}
	received.Withhold(context.Background(), outgoing)
	fmt.Println(outgoing)
	// Output: map[Accept:[*/*] Baggage:[contract=7]]
}

// A program into which an adapter is woven runs without it when the registry refuses the
// adapter's metrics.
func ExampleWoven() {
	core, err := adapter.NewCore(adapter.Config{ServiceName: "shop", Registerer: prometheus.NewRegistry(), Slog: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	options := adapter.Woven(core, "gRPC servers", func() []string { panic("the registry has other metrics of that name") })
	fmt.Println(len(options))
	// Output: 0
}
