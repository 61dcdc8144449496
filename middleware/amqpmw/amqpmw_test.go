package amqpmw_test

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/codes"

	"github.com/tenhop/tenhop/middleware/amqpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

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

func handled(t *testing.T, rec *mwtest.Recorder, d amqp.Delivery) mwtest.Span {
	t.Helper()
	handle := amqpmw.Handler(func(context.Context, amqp.Delivery) error { return nil }, amqpmw.WithTelemetry(rec.Telemetry))
	if err := handle(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	spans := rec.Spans()
	return spans[len(spans)-1]
}

func TestHostileHeadersDoNoHarm(t *testing.T) {
	long := strings.Repeat("a=b,", 1<<16)
	for _, headers := range []amqp.Table{nil, {"traceparent": "00-zz"}, {"traceparent": long}, {"traceparent": amqp.Table{}}, {"baggage": long},
		{"x-correlation-id": "a\nb\xff"}, {"timestamp_in_ms": int64(math.MinInt64)}, {"timestamp_in_ms": int64(math.MaxInt64)},
		{"timestamp_in_ms": "1"}, {"timestamp_in_ms": nil}, {"timestamp_in_ms": int64(0)}} {
		s := handled(t, mwtest.New(t), amqp.Delivery{Exchange: "orders", Headers: headers})
		wait := "" // unknown
		if headers["timestamp_in_ms"] == int64(math.MaxInt64) {
			wait = "0" // a clock ahead of ours
		}
		if id := s.Attributes["correlation_id"]; s.Parent.IsValid() || len(id) != 36 || s.Attributes["hop.queue_wait_ms"] != wait {
			t.Errorf("parent %v, attributes %v", s.Parent, s.Attributes)
		}
	}
}

func TestGeneratedQueueNamesAreOne(t *testing.T) {
	for _, queue := range []string{"amq.gen-JzTY20BRgKO-HjmUJj0wLg", "amq.rabbitmq.reply-to.g1h2AAx.8Q=="} {
		s := handled(t, mwtest.New(t), amqp.Delivery{RoutingKey: queue})
		if s.Name != "process (temporary)" || s.Attributes["messaging.destination.name"] != queue {
			t.Errorf("span %q of %v", s.Name, s.Attributes)
		}
	}
	if s := handled(t, mwtest.New(t), amqp.Delivery{Exchange: "amq.topic"}); s.Name != "process amq.topic" {
		t.Errorf("span %q", s.Name)
	}
}

// Two queues of one exchange are two operations; a queue's name that says nothing
// new, or that the broker made up, adds no name.
func TestQueuesOfOneExchangeAreToldApart(t *testing.T) {
	for _, c := range []struct{ queue, exchange, key, label, name string }{
		{"shipping", "orders", "order.placed", "orders:shipping", "orders:shipping"},
		{"billing", "orders", "order.placed", "orders:billing", "orders:billing"},
		{"shipping", "", "shipping", "shipping", "shipping"},
		{"amq.gen-abc", "orders", "order.placed", "orders:(temporary)", "orders:amq.gen-abc"},
		{"amq.gen-abc", "", "amq.gen-abc", "(temporary)", "amq.gen-abc"},
		{"", "orders", "order.placed", "orders", "orders"},
	} {
		rec := mwtest.New(t)
		handle := amqpmw.Handler(func(context.Context, amqp.Delivery) error { return nil }, amqpmw.WithTelemetry(rec.Telemetry), amqpmw.WithQueue(c.queue))
		for range 2 {
			if err := handle(t.Context(), amqp.Delivery{Exchange: c.exchange, RoutingKey: c.key}); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range rec.Spans() {
			if s.Name != "process "+c.label || s.Attributes["messaging.destination.name"] != c.name {
				t.Errorf("%+v: span %q of %q", c, s.Name, s.Attributes["messaging.destination.name"])
			}
		}
		if n := rec.Count("messaging_process_duration_seconds", "messaging_destination_name", c.label); n != 2 {
			t.Errorf("%+v: %d counted", c, n)
		}
	}
}

func TestTraceOfOtherPublishers(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for why, headers := range map[string]amqp.Table{
		"as text": {"traceparent": parent}, "as bytes": {"traceparent": []byte(parent)}, "capitalized": {"Traceparent": parent},
	} {
		if s := handled(t, mwtest.New(t), amqp.Delivery{Exchange: "orders", Headers: headers}); s.Parent.SpanID().String() != "b7ad6b7169203331" {
			t.Errorf("%s: parent %v", why, s.Parent)
		}
	}
}

// The timestamp has seconds; the header counts only where it agrees.
func TestQueueWait(t *testing.T) {
	at := time.Now().Add(-time.Minute)
	for _, c := range []struct {
		why        string
		delivery   amqp.Delivery
		from, upTo time.Duration
	}{
		{"seconds alone", amqp.Delivery{Timestamp: at.Truncate(time.Second)}, time.Minute, time.Hour},
		{"the header alone", amqp.Delivery{Headers: amqp.Table{"timestamp_in_ms": at.UnixMilli()}}, time.Minute, time.Hour},
		{"a header kept from an earlier publication", amqp.Delivery{Timestamp: at.Truncate(time.Second),
			Headers: amqp.Table{"timestamp_in_ms": at.Add(-24 * time.Hour).UnixMilli()}}, time.Minute, time.Hour},
		{"neither", amqp.Delivery{}, 0, 0},
	} {
		c.delivery.Exchange = "orders"
		text := handled(t, mwtest.New(t), c.delivery).Attributes["hop.queue_wait_ms"]
		if c.upTo == 0 {
			if text != "" {
				t.Errorf("%s: %s ms, want it unknown", c.why, text)
			}
			continue
		}
		ms, err := strconv.ParseFloat(text, 64)
		if got := time.Duration(ms * float64(time.Millisecond)); err != nil || got < c.from || got > c.upTo {
			t.Errorf("%s: %s ms", c.why, text)
		}
	}
}

func TestFailureAndPanicAreReported(t *testing.T) {
	for want, fn := range map[string]amqpmw.DeliveryFunc{
		"AMQP_404": func(context.Context, amqp.Delivery) error { return fmt.Errorf("publish: %w", &amqp.Error{Code: 404}) },
		"nacked":   func(context.Context, amqp.Delivery) error { return amqpmw.ErrNacked },
		"panic":    func(context.Context, amqp.Delivery) error { panic("x") },
	} {
		t.Run(want, func(t *testing.T) {
			rec := mwtest.New(t)
			handle := amqpmw.Handler(fn, amqpmw.WithTelemetry(rec.Telemetry))
			func() {
				defer func() {
					if (recover() != nil) != (want == "panic") {
						t.Error("the panic did not go on, or there was one")
					}
				}()
				_ = handle(t.Context(), amqp.Delivery{RoutingKey: "orders"})
			}()
			if span(t, rec, "process orders").Status != codes.Error || rec.Lines()[0]["error_type"] != want {
				t.Errorf("spans %v, log %v", rec.Spans(), rec.Lines())
			}
		})
	}
}

func TestWrongUsePanicsAtConstruction(t *testing.T) {
	for why, make := range map[string]func(){
		"nil function": func() { amqpmw.Handler(nil) }, "nil batch function": func() { amqpmw.BatchHandler(nil) },
		"nil channel": func() { amqpmw.NewPublisher(nil) },
	} {
		func() {
			defer func() {
				if msg, _ := recover().(string); !strings.HasPrefix(msg, "amqpmw: ") {
					t.Errorf("%s: %q", why, msg)
				}
			}()
			make()
		}()
	}
}
