package messaging_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/messaging"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

var errBroker = errors.New("broker said no")

var system = messaging.System{Name: "testmq", ErrorType: func(err error) string {
	if errors.Is(err, errBroker) {
		return "NO"
	}
	return ""
}}

func process(ctx context.Context, c *messaging.Consumer, d messaging.Delivery, fn func(context.Context, string) error) error {
	return messaging.Process(ctx, c, &messaging.Processing{}, &d, "message", fn)
}

func TestDestinationsBeyondTheBoundShareASeries(t *testing.T) {
	rec := mwtest.New(t)
	c := messaging.NewConsumer(system, messaging.WithTelemetry(rec.Telemetry))
	const distinct = 700
	for i := range distinct {
		d := messaging.Delivery{Destination: "reply." + strconv.Itoa(i), Carrier: propagation.MapCarrier{}}
		if err := process(t.Context(), c, d, func(context.Context, string) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	series, overflow := 0, uint64(0)
	mfs, err := rec.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, mf := range mfs {
		if mf.GetName() != "messaging_process_duration_seconds" {
			continue
		}
		for _, m := range mf.GetMetric() {
			series++
			if strings.Contains(fmt.Sprint(m.GetLabel()), `"_OTHER"`) {
				overflow = m.GetHistogram().GetSampleCount()
			}
		}
	}
	if series > 513 || overflow < distinct-513 {
		t.Errorf("%d series, %d messages in _OTHER", series, overflow)
	}
	// A span is no series: it has the name itself.
	spans := rec.Spans()
	if got := spans[len(spans)-1].Attributes["messaging.destination.name"]; got != "reply.699" {
		t.Errorf("the last span's destination is %v", got)
	}
}

// Brokers write -1 ms or 0 for a message without a time. Decades of queue wait
// would drown every sum, and 0 s would be a measurement.
func TestUnknownTimeIsNoQueueWait(t *testing.T) {
	for _, c := range []struct {
		why      string
		produced time.Time
		known    bool
		least    float64 // ms
		most     float64
	}{
		{"the zero time", time.Time{}, false, 0, 0},
		{"Kafka's -1", time.UnixMilli(-1), false, 0, 0},
		{"an AMQP 0", time.Unix(0, 0), false, 0, 0},
		{"a clock ahead of ours", time.Now().Add(time.Hour), true, 0, 0},
		{"thousands of years ahead", time.UnixMilli(math.MaxInt64), false, 0, 0},
		{"a minute ago", time.Now().Add(-time.Minute), true, 60_000, 3_600_000},
	} {
		t.Run(c.why, func(t *testing.T) {
			rec := mwtest.New(t)
			consumer := messaging.NewConsumer(system, messaging.WithTelemetry(rec.Telemetry))
			d := messaging.Delivery{Destination: "orders", Produced: c.produced, Carrier: propagation.MapCarrier{}}
			if err := process(t.Context(), consumer, d, func(context.Context, string) error { return nil }); err != nil {
				t.Fatal(err)
			}
			text, onSpan := rec.Spans()[0].Attributes["hop.queue_wait_ms"]
			logged, onLine := rec.Lines()[0]["queue_wait_ms"]
			measured := rec.Count("hop_queue_wait_seconds", "operation", "process orders")
			if onSpan != c.known || onLine != c.known || (measured == 1) != c.known {
				t.Errorf("queue wait %q on the span, %v in the log, measured %v times", text, logged, measured)
			}
			if !c.known {
				return
			}
			if got, err := strconv.ParseFloat(text, 64); err != nil || got < c.least || got > c.most {
				t.Errorf("queue wait %q ms", text)
			}
		})
	}
}

// A batch waited as long as the message that is known to have waited longest.
func TestBatchOfKnownAndUnknownTimes(t *testing.T) {
	rec := mwtest.New(t)
	c := messaging.NewConsumer(system, messaging.WithTelemetry(rec.Telemetry))
	batch := []time.Time{{}, time.Now().Add(-time.Minute), time.UnixMilli(-1)}
	describe := func(produced *time.Time) messaging.Delivery {
		return messaging.Delivery{Destination: "orders", Produced: *produced, Carrier: propagation.MapCarrier{}}
	}
	if err := messaging.ProcessBatch(t.Context(), c, batch, describe, func(context.Context, []time.Time) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if s := rec.Sum("hop_queue_wait_seconds", "operation", "process orders"); s < 60 || s > 3600 {
		t.Errorf("the batch waited %v s", s)
	}
}

// Names that the broker makes up share one, which leaves room for the others.
func TestGeneratedNamesShareASeries(t *testing.T) {
	rec := mwtest.New(t)
	generated := system
	generated.Generated = func(name string) bool { return strings.HasPrefix(name, "gen-") }
	p := messaging.NewProducer(generated, messaging.WithTelemetry(rec.Telemetry))
	ctx, h := rec.Telemetry.Begin(t.Context(), hop.Incoming{Protocol: "test", Operation: "ask"})
	for i := range 700 {
		name := "gen-" + strconv.Itoa(i)
		if i == 699 {
			name = "orders"
		}
		wait := p.Wait(ctx, name)
		var s messaging.Sending
		p.Begin(ctx, &s, name, propagation.MapCarrier{})
		s.End(nil)
		wait.End()
	}
	h.End(hop.Outcome{})
	for name, want := range map[string]int{"(temporary)": 699, "orders": 1, "_OTHER": 0} {
		if n := rec.Count("messaging_client_operation_duration_seconds", "messaging_destination_name", name); n != want {
			t.Errorf("%v messages to %s, want %v", n, name, want)
		}
	}
	for name, want := range map[string]int{"(temporary)": 1, "orders": 1, "gen-7": 0} {
		if n := rec.Count("hop_wait_duration_seconds", "dependency", name); n != want {
			t.Errorf("%v hops waited for %s, want %v", n, name, want)
		}
	}
	s := rec.Spans()[7]
	if s.Name != "send (temporary)" || s.Attributes["messaging.destination.name"] != "gen-7" || s.Attributes["messaging.destination.temporary"] != "true" {
		t.Errorf("span %s: %v", s.Name, s.Attributes)
	}
}

func TestQueuesOfOneDestination(t *testing.T) {
	rec := mwtest.New(t)
	for _, queue := range []string{"shipping", "mail", "orders"} {
		c := messaging.NewConsumer(system, messaging.WithTelemetry(rec.Telemetry), messaging.WithQueue(queue))
		d := messaging.Delivery{Destination: "orders", Carrier: propagation.MapCarrier{}}
		if err := process(t.Context(), c, d, func(context.Context, string) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"orders:shipping", "orders:mail", "orders"} {
		if n := rec.Count("messaging_process_duration_seconds", "messaging_destination_name", name); n != 1 {
			t.Errorf("%v messages of %s", n, name)
		}
	}
}

// A consumer that is told to stop has not failed; a handler that gives up on
// something else's cancelled context has.
func TestStoppedConsumerHasNotFailed(t *testing.T) {
	for _, stopped := range []bool{true, false} {
		rec := mwtest.New(t)
		c := messaging.NewConsumer(system, messaging.WithTelemetry(rec.Telemetry))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		d := messaging.Delivery{Destination: "orders", Carrier: propagation.MapCarrier{}}
		_ = process(ctx, c, d, func(context.Context, string) error {
			if stopped {
				stop()
			}
			return context.Canceled
		})
		level, status := "info", "canceled"
		if !stopped {
			level, status = "error", "error"
		}
		line := rec.Lines()[0]
		if line["level"] != level || line["status"] != status || (rec.Spans()[0].Status == codes.Error) == stopped {
			t.Errorf("stopped %v: %v, span %+v", stopped, line, rec.Spans()[0])
		}
	}
}

func TestErrorTypes(t *testing.T) {
	rec := mwtest.New(t)
	c := messaging.NewConsumer(system, messaging.WithTelemetry(rec.Telemetry))
	for want, err := range map[string]error{
		"NO":                  fmt.Errorf("publish: %w", errBroker),
		"canceled":            fmt.Errorf("store: %w", context.Canceled),
		"timeout":             context.DeadlineExceeded,
		"*errors.errorString": fmt.Errorf("a: %w", errors.New("order 17 is odd")),
	} {
		d := messaging.Delivery{Destination: "orders", Carrier: propagation.MapCarrier{}}
		if got := process(t.Context(), c, d, func(context.Context, string) error { return err }); !errors.Is(got, err) {
			t.Errorf("returned %v, want %v", got, err)
		}
		lines := rec.Lines()
		if got := lines[len(lines)-1]["error_type"]; got != want {
			t.Errorf("%v: error_type %v, want %s", err, got, want)
		}
	}
}

func TestGoexitEndsTheHop(t *testing.T) {
	rec := mwtest.New(t)
	c := messaging.NewConsumer(system, messaging.WithTelemetry(rec.Telemetry))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = process(context.Background(), c, messaging.Delivery{Destination: "orders", Carrier: propagation.MapCarrier{}},
			func(context.Context, string) error { runtime.Goexit(); return nil })
	}()
	<-done
	if spans := rec.Spans(); len(spans) != 1 || spans[0].Attributes["error.type"] != "panic" {
		t.Errorf("spans %v", spans)
	}
}

func TestFaultReachesMessageAndBatch(t *testing.T) {
	rec := mwtest.New(t)
	faults := chaos.New()
	if _, err := faults.Inject(chaos.Fault{Kind: "error", Code: "UNAVAILABLE", Operation: "process orders"}); err != nil {
		t.Fatal(err)
	}
	c := messaging.NewConsumer(system, messaging.WithTelemetry(rec.Telemetry), messaging.WithChaos(faults))
	d := messaging.Delivery{Destination: "orders", Carrier: propagation.MapCarrier{}}
	if err := process(t.Context(), c, d, func(context.Context, string) error { t.Error("the handler ran"); return nil }); err == nil {
		t.Error("no fault in a message")
	}
	err := messaging.ProcessBatch(t.Context(), c, []string{"a", "b"}, func(*string) messaging.Delivery { return d },
		func(context.Context, []string) error { t.Error("the handler ran"); return nil })
	if err == nil {
		t.Error("no fault in a batch")
	}
}

func TestWrongUsePanicsAtConstruction(t *testing.T) {
	for why, make := range map[string]func(){
		"nil option":    func() { messaging.NewProducer(system, nil) },
		"nil Telemetry": func() { messaging.NewConsumer(system, messaging.WithTelemetry(nil)) },
	} {
		func() {
			defer func() {
				if msg, _ := recover().(string); !strings.HasPrefix(msg, "messaging: ") {
					t.Errorf("%s: %q", why, msg)
				}
			}()
			make()
		}()
	}
}
