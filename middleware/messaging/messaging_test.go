package messaging_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"github.com/tenhop/tenhop/middleware/chaos"
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

// Brokers write -1 ms or 0 for a message without a time; decades of queue wait
// would drown every sum.
func TestUnknownTimeIsNoQueueWait(t *testing.T) {
	for _, c := range []struct {
		why      string
		produced time.Time
		least    float64
		most     float64
	}{
		{"the zero time", time.Time{}, 0, 0},
		{"Kafka's -1", time.UnixMilli(-1), 0, 0},
		{"an AMQP 0", time.Unix(0, 0), 0, 0},
		{"a clock ahead of ours", time.Now().Add(time.Hour), 0, 0},
		{"a minute ago", time.Now().Add(-time.Minute), 60_000, 3_600_000},
	} {
		t.Run(c.why, func(t *testing.T) {
			rec := mwtest.New(t)
			consumer := messaging.NewConsumer(system, messaging.WithTelemetry(rec.Telemetry))
			d := messaging.Delivery{Destination: "orders", Produced: c.produced, Carrier: propagation.MapCarrier{}}
			if err := process(t.Context(), consumer, d, func(context.Context, string) error { return nil }); err != nil {
				t.Fatal(err)
			}
			text := rec.Spans()[0].Attributes["hop.queue_wait_ms"]
			if got, err := strconv.ParseFloat(text, 64); err != nil || got < c.least || got > c.most {
				t.Errorf("queue wait %q ms", text)
			}
		})
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
