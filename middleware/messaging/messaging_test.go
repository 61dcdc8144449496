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

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"

	"github.com/tenhop/tenhop/middleware/adapter"
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

// Reply queues come and go by the thousand; queues seen after them keep their names.
func TestTemporaryDestinationsShareAName(t *testing.T) {
	rec := mwtest.New(t)
	s := system
	s.Temporary = func(destination string) bool { return strings.HasPrefix(destination, "gen-") }
	c := messaging.NewConsumer(s, messaging.WithTelemetry(rec.Telemetry))
	p := messaging.NewProducer(s, messaging.WithTelemetry(rec.Telemetry))
	ctx, h := rec.Core().Begin(t.Context(), adapter.Incoming{Protocol: "http", Operation: "POST /orders"})
	names := make([]string, 0, 700)
	for i := range cap(names) - 1 {
		names = append(names, "gen-"+strconv.Itoa(i))
	}
	for _, name := range append(names, "orders") {
		wait := s.Wait(ctx, name)
		var sending messaging.Sending
		p.Begin(ctx, &sending, name, propagation.MapCarrier{})
		sending.End(nil)
		wait.End()
		d := messaging.Delivery{Destination: name, Carrier: propagation.MapCarrier{}}
		if err := process(t.Context(), c, d, func(context.Context, string) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	h.End(adapter.Outcome{})
	for _, family := range []string{"messaging_process_duration_seconds", "messaging_client_operation_duration_seconds"} {
		if temporary, orders := rec.Count(family, "messaging_destination_name", "(temporary)"), rec.Count(family, "messaging_destination_name", "orders"); temporary != 699 || orders != 1 {
			t.Errorf("%s: %d temporary, %d of orders", family, temporary, orders)
		}
	}
	if n := rec.Series("hop_wait_duration_seconds"); n != 2 {
		t.Errorf("%d dependencies waited for, want (temporary) and orders", n)
	}
	for i, name := range []string{"send (temporary)", "process (temporary)"} {
		span := rec.Spans()[i]
		for key, want := range map[string]string{"messaging.destination.name": "gen-0", "messaging.destination.template": "(temporary)",
			"messaging.destination.temporary": "true", "messaging.destination.anonymous": "true"} {
			if got := span.Attributes[key]; span.Name != name || got != want {
				t.Errorf("%s: %s is %q, want %q", span.Name, key, got, want)
			}
		}
	}
}

// What a caller waits for, and what an outbox published, is under the same bound.
func TestWaitsBeyondTheBoundShareASeries(t *testing.T) {
	rec := mwtest.New(t)
	ctx, h := rec.Core().Begin(t.Context(), adapter.Incoming{Protocol: "http", Operation: "POST /orders"})
	for i := range 700 {
		name := "customer." + strconv.Itoa(i)
		system.Wait(ctx, name).End()
		messaging.PublishWait(t.Context(), rec.Telemetry, name, time.Now())
	}
	h.End(adapter.Outcome{})
	if n, other := rec.Series("hop_wait_duration_seconds"), rec.Count("hop_wait_duration_seconds", "dependency", "_OTHER"); n != 513 || other != 1 {
		t.Errorf("%d dependencies, _OTHER counts %d", n, other)
	}
	if n, other := rec.Series("hop_queue_wait_seconds"), rec.Count("hop_queue_wait_seconds", "operation", "publish _OTHER"); n != 513 || other != 188 {
		t.Errorf("%d operations, _OTHER counts %d", n, other)
	}
}

// Brokers write -1 ms or 0 for a message without a time. That is not a wait of
// nothing: it is in no signal, where a clock ahead of ours is a wait of 0.
func TestUnknownTimeIsNoQueueWait(t *testing.T) {
	for _, c := range []struct {
		why      string
		produced []time.Time // of one message, or of a batch
		known    bool
		least    float64 // ms
		most     float64
	}{
		{"the zero time", []time.Time{{}}, false, 0, 0},
		{"Kafka's -1", []time.Time{time.UnixMilli(-1)}, false, 0, 0},
		{"an AMQP 0", []time.Time{time.Unix(0, 0)}, false, 0, 0},
		{"a clock ahead of ours", []time.Time{time.Now().Add(time.Hour)}, true, 0, 0},
		{"a minute ago", []time.Time{time.Now().Add(-time.Minute)}, true, 60_000, 3_600_000},
		{"a batch that knows nothing", []time.Time{{}, time.UnixMilli(-1)}, false, 0, 0},
		{"the longest of a batch, in the middle", ago(1, 10, 5), true, 600_000, 3_600_000},
		{"the longest of a batch, at first", ago(10, 5, 1), true, 600_000, 3_600_000},
		{"the longest of a batch, at last", ago(1, 5, 10), true, 600_000, 3_600_000},
		{"a batch of which one knows", []time.Time{{}, time.Now().Add(-time.Minute), time.UnixMilli(-1)}, true, 60_000, 3_600_000},
	} {
		t.Run(c.why, func(t *testing.T) {
			rec := mwtest.New(t)
			consumer := messaging.NewConsumer(system, messaging.WithTelemetry(rec.Telemetry))
			describe := func(produced *time.Time) messaging.Delivery {
				return messaging.Delivery{Destination: "orders", Produced: *produced, Carrier: propagation.MapCarrier{}}
			}
			var err error
			if len(c.produced) == 1 {
				err = process(t.Context(), consumer, describe(&c.produced[0]), func(context.Context, string) error { return nil })
			} else {
				err = messaging.ProcessBatch(t.Context(), consumer, c.produced, describe, func(context.Context, []time.Time) error { return nil })
			}
			if err != nil {
				t.Fatal(err)
			}
			text, inSpan := rec.Spans()[0].Attributes["hop.queue_wait_ms"]
			logged, inLog := rec.Lines()[0]["queue_wait_ms"].(float64)
			observed := rec.Count("hop_queue_wait_seconds")
			if inSpan != c.known || inLog != c.known || (observed == 1) != c.known {
				t.Fatalf("in the span %t, in the log %t, %d observed; known is %t", inSpan, inLog, observed, c.known)
			}
			if n := rec.Count("hop_completion_duration_seconds"); n != 1 {
				t.Errorf("%d completions", n)
			}
			if !c.known {
				return
			}
			if got, err := strconv.ParseFloat(text, 64); err != nil || got != logged || got < c.least || got > c.most {
				t.Errorf("queue wait %q ms in the span, %v in the log", text, logged)
			}
		})
	}
}

// ago returns times so many minutes ago.
func ago(minutes ...int) (times []time.Time) {
	for _, m := range minutes {
		times = append(times, time.Now().Add(-time.Duration(m)*time.Minute))
	}
	return times
}

// The commit of a row is as unknown as a message's time.
func TestUnknownCommitIsNoPublishWait(t *testing.T) {
	rec := mwtest.New(t)
	messaging.PublishWait(t.Context(), rec.Telemetry, "orders", time.Time{})
	if n := rec.Count("hop_queue_wait_seconds"); n != 0 {
		t.Errorf("%d waits", n)
	}
	messaging.PublishWait(t.Context(), rec.Telemetry, "orders", time.Now())
	if n := rec.Count("hop_queue_wait_seconds", "operation", "publish orders"); n != 1 {
		t.Errorf("%d waits, want 1", n)
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

// What a handler cannot finish because its consumer stops is no failure; a panic
// is, and so is a handler's own cancellation, or a deadline.
func TestStoppedConsumerIsNoFailure(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancelLate()
	for _, c := range []struct {
		why       string
		ctx       context.Context
		err       error
		errorType string
		status    codes.Code
		level     string
	}{
		{"stopped", canceled, errBroker, "consumer_closed", codes.Unset, "info"},
		{"stopped, but done", canceled, nil, "", codes.Unset, "info"},
		{"the handler's own cancellation", t.Context(), context.Canceled, "canceled", codes.Error, "error"},
		{"too late", late, context.DeadlineExceeded, "timeout", codes.Error, "error"},
	} {
		t.Run(c.why, func(t *testing.T) {
			rec := mwtest.New(t)
			consumer := messaging.NewConsumer(system, messaging.WithTelemetry(rec.Telemetry))
			d := messaging.Delivery{Destination: "orders", Carrier: propagation.MapCarrier{}}
			if err := process(c.ctx, consumer, d, func(context.Context, string) error { return c.err }); !errors.Is(err, c.err) {
				t.Fatal(err)
			}
			span, line := rec.Spans()[0], rec.Lines()[0]
			if span.Status != c.status || span.Attributes["error.type"] != c.errorType || line["level"] != c.level {
				t.Errorf("status %v, attributes %v, line %v", span.Status, span.Attributes, line)
			}
			if n := rec.Count("messaging_process_duration_seconds", "error_type", c.errorType); n != 1 {
				t.Errorf("%d of error type %q", n, c.errorType)
			}
		})
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
