package kafkamw_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/kafkamw"
)

const topic = "orders.placed"

// side is one process's telemetry with everything that it emits at hand.
type side struct {
	*hop.Telemetry
	spans *tracetest.SpanRecorder
	reg   *prometheus.Registry
	log   *lines
}

type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newSide(t *testing.T, name string, opts ...sdktrace.TracerProviderOption) *side {
	t.Helper()
	s := &side{spans: tracetest.NewSpanRecorder(), reg: prometheus.NewRegistry(), log: &lines{}}
	opts = append(opts, sdktrace.WithSpanProcessor(s.spans))
	tel, err := hop.New(hop.WithServiceName(name), hop.WithRegistry(s.reg), hop.WithZerolog(zerolog.New(s.log)),
		hop.WithTracerProvider(sdktrace.NewTracerProvider(opts...)))
	if err != nil {
		t.Fatal(err)
	}
	s.Telemetry = tel
	return s
}

func (s *side) spanNamed(t *testing.T, name string) sdktrace.ReadOnlySpan {
	t.Helper()
	for _, sp := range s.spans.Ended() {
		if sp.Name() == name {
			return sp
		}
	}
	t.Fatalf("no span %q ended", name)
	return nil
}

// sum returns the sum and the count of a family's series with these labels.
func (s *side) sum(t *testing.T, family string, labels map[string]string) (seconds float64, count uint64) {
	t.Helper()
	mfs, err := s.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, mf := range mfs {
		if mf.GetName() != family {
			continue
		}
	next:
		for _, m := range mf.GetMetric() {
			have := map[string]string{}
			for _, l := range m.GetLabel() {
				have[l.GetName()] = l.GetValue()
			}
			for k, v := range labels {
				if have[k] != v {
					continue next
				}
			}
			seconds += m.GetHistogram().GetSampleSum()
			count += m.GetHistogram().GetSampleCount()
		}
	}
	return seconds, count
}

func newClient(t *testing.T, s *side) *kgo.Client {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	cl, err := kgo.NewClient(append(kafkamw.ClientOptions(kafkamw.WithTelemetry(s.Telemetry)),
		kgo.SeedBrokers(broker.ListenAddrs()...), kgo.ConsumeTopics(topic))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func poll(t *testing.T, cl *kgo.Client, n int) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var all []*kgo.Record
	for len(all) < n {
		f := cl.PollFetches(ctx)
		if err := f.Err0(); err != nil {
			t.Fatal(err)
		}
		all = append(all, f.Records()...)
	}
	return all
}

func TestFault11RecordStaysInTheProducersTrace(t *testing.T) {
	order, shipping := newSide(t, "order"), newSide(t, "shipping")
	cl := newClient(t, order)
	ctx, h := order.Core().Begin(t.Context(), adapter.Incoming{Protocol: "http", Operation: "POST /checkout", SpanKind: trace.SpanKindServer})
	rec := &kgo.Record{Topic: topic, Key: []byte("alice@example.com"), Value: []byte("1")}
	if err := kafkamw.Produce(ctx, cl, rec); err != nil {
		t.Fatal(err)
	}
	h.End(adapter.Outcome{Quiet: true})
	var entry, flow, id string
	handle := kafkamw.Handler(func(ctx context.Context, _ *kgo.Record) error {
		in := adapter.FromContext(ctx)
		entry, flow, id = in.Entry(), in.Flow(), in.CorrelationID()
		return nil
	}, kafkamw.WithTelemetry(shipping.Telemetry), kafkamw.WithConsumerGroup("shipping"))
	if err := handle(t.Context(), poll(t, cl, 1)[0]); err != nil {
		t.Fatal(err)
	}
	if entry != "POST /checkout" || flow != "async" || id != h.CorrelationID() {
		t.Errorf("entry %q, flow %q, correlation ID %q", entry, flow, id)
	}
	send, process := order.spanNamed(t, "send "+topic), shipping.spanNamed(t, "process "+topic)
	if send.SpanKind() != trace.SpanKindProducer || process.SpanKind() != trace.SpanKindConsumer {
		t.Errorf("kinds %s and %s", send.SpanKind(), process.SpanKind())
	}
	if process.Parent().SpanID() != send.SpanContext().SpanID() || send.Parent().SpanID() != h.Span().SpanContext().SpanID() {
		t.Error("the record's spans are not one chain")
	}
	// kotel makes two.
	if n := len(shipping.spans.Ended()); n != 1 {
		t.Errorf("%d spans for one record", n)
	}
	for _, s := range []sdktrace.ReadOnlySpan{send, process} {
		for _, a := range s.Attributes() {
			if strings.Contains(a.Value.String(), "alice") {
				t.Errorf("the record's key is in %s", a.Key)
			}
		}
	}
	if _, n := shipping.sum(t, "hop_queue_wait_seconds", map[string]string{"operation": "process " + topic, "entry": "POST /checkout"}); n != 1 {
		t.Errorf("queue waits: %d", n)
	}
	if _, n := shipping.sum(t, "hop_completion_duration_seconds", map[string]string{"entry": "POST /checkout"}); n != 1 {
		t.Errorf("completions: %d", n)
	}
	if _, n := order.sum(t, "hop_wait_duration_seconds", map[string]string{"dependency": topic, "dependency_kind": "produce"}); n != 1 {
		t.Errorf("produce waits: %d", n)
	}
	if _, n := order.sum(t, "messaging_client_operation_duration_seconds", map[string]string{"messaging_destination_name": topic, "messaging_operation_name": "send"}); n != 1 {
		t.Errorf("send durations: %d", n)
	}
	if l := shipping.log.String(); strings.Count(l, "\n") != 1 || !strings.Contains(l, `"queue_wait_ms"`) || !strings.Contains(l, process.SpanContext().TraceID().String()) {
		t.Errorf("log %s", l)
	}
}

// An unsampled producer yields no spans at the consumer.
func TestFault11ProducersSamplingDecisionIsKept(t *testing.T) {
	shipping := newSide(t, "shipping")
	handle := kafkamw.Handler(func(context.Context, *kgo.Record) error { return nil }, kafkamw.WithTelemetry(shipping.Telemetry))
	err := handle(t.Context(), &kgo.Record{Topic: topic, Headers: []kgo.RecordHeader{
		{Key: "traceparent", Value: []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")}}})
	if err != nil || len(shipping.spans.Ended()) != 0 {
		t.Errorf("%v, %d spans", err, len(shipping.spans.Ended()))
	}
	if _, n := shipping.sum(t, "messaging_process_duration_seconds", nil); n != 1 {
		t.Errorf("the unsampled record is in the histogram %d times", n)
	}
}

// An outbox row is published outside any hop, later, and still belongs to the
// request that caused it.
func TestRestoredOutboxRowContinuesItsRequest(t *testing.T) {
	order := newSide(t, "order")
	cl := newClient(t, order)
	ctx, h := order.Core().Begin(t.Context(), adapter.Incoming{Protocol: "http", Operation: "POST /checkout", SpanKind: trace.SpanKindServer})
	row := hop.Snapshot(ctx)
	committed := time.Now().Add(-time.Second)
	h.End(adapter.Outcome{Quiet: true})

	restored := hop.Restore(context.Background(), row)
	if err := kafkamw.Produce(restored, cl, &kgo.Record{Topic: topic}); err != nil {
		t.Fatal(err)
	}
	kafkamw.PublishWait(restored, order.Telemetry, topic, committed)
	send := order.spanNamed(t, "send "+topic)
	if send.Parent().SpanID() != h.Span().SpanContext().SpanID() || send.SpanContext().TraceID() != h.Span().SpanContext().TraceID() {
		t.Error("the send span is no child of the request's span")
	}
	waited, n := order.sum(t, "hop_queue_wait_seconds", map[string]string{"operation": "publish " + topic, "entry": "POST /checkout"})
	if n != 1 || waited < 1 {
		t.Errorf("outbox wait %v s in %d", waited, n)
	}
	for _, header := range poll(t, cl, 1)[0].Headers {
		if header.Key == "x-correlation-id" && string(header.Value) != h.CorrelationID() {
			t.Errorf("correlation ID %s, want %s", header.Value, h.CorrelationID())
		}
	}
}

func TestSharedHeadersAreNotOverwritten(t *testing.T) {
	order := newSide(t, "order")
	cl := newClient(t, order)
	shared := make([]kgo.RecordHeader, 1, 8)
	shared[0] = kgo.RecordHeader{Key: "kind", Value: []byte("order")}
	for range 2 {
		if err := kafkamw.Produce(t.Context(), cl, &kgo.Record{Topic: topic, Headers: shared}); err != nil {
			t.Fatal(err)
		}
	}
	parents := map[string]bool{}
	for _, r := range poll(t, cl, 2) {
		for _, header := range r.Headers {
			if header.Key == "traceparent" {
				parents[string(header.Value)] = true
			}
		}
	}
	if len(parents) != 2 || shared[:2][1].Key != "" {
		t.Errorf("traceparents %v; the caller's slice has %v behind its end", parents, shared[:2][1])
	}
}

func TestRecordSentTwiceHasTwoSpansOfOneParent(t *testing.T) {
	order := newSide(t, "order")
	cl := newClient(t, order)
	ctx, h := order.Core().Begin(t.Context(), adapter.Incoming{Protocol: "http", Operation: "GET /x", SpanKind: trace.SpanKindServer})
	rec := &kgo.Record{Topic: topic}
	for range 2 {
		if err := kafkamw.Produce(ctx, cl, rec); err != nil {
			t.Fatal(err)
		}
	}
	h.End(adapter.Outcome{Quiet: true})
	n := 0
	for _, s := range order.spans.Ended() {
		if s.Name() == "send "+topic {
			n++
			if s.Parent().SpanID() != h.Span().SpanContext().SpanID() {
				t.Error("the second send is a child of the first")
			}
		}
	}
	if n != 2 {
		t.Errorf("%d send spans, want 2", n)
	}
}

func TestFault11BatchLinksToItsProducers(t *testing.T) {
	order, shipping := newSide(t, "order"), newSide(t, "shipping")
	cl := newClient(t, order)
	for range 3 {
		if err := kafkamw.Produce(t.Context(), cl, &kgo.Record{Topic: topic}); err != nil {
			t.Fatal(err)
		}
	}
	handle := kafkamw.BatchHandler(func(context.Context, []*kgo.Record) error { return nil }, kafkamw.WithTelemetry(shipping.Telemetry))
	if err := handle(t.Context(), poll(t, cl, 3)); err != nil {
		t.Fatal(err)
	}
	span := shipping.spanNamed(t, "process "+topic)
	if len(span.Links()) != 3 || span.Parent().IsValid() {
		t.Errorf("%d links, parent %v", len(span.Links()), span.Parent())
	}
}

func TestFault07FailureAndPanicAreInAllSignals(t *testing.T) {
	for _, c := range []struct {
		why, errorType string
		fn             func(context.Context, *kgo.Record) error
		panics         bool
	}{
		{"an error has its type as label, not its text", "*errors.errorString", func(context.Context, *kgo.Record) error { return errors.New("order 17 is odd") }, false},
		{"a deadline is told apart", "timeout", func(context.Context, *kgo.Record) error { return context.DeadlineExceeded }, false},
		{"a panic is reported and goes on", "panic", func(context.Context, *kgo.Record) error { panic("x") }, true},
	} {
		t.Run(c.why, func(t *testing.T) {
			shipping := newSide(t, "shipping")
			handle := kafkamw.Handler(c.fn, kafkamw.WithTelemetry(shipping.Telemetry))
			func() {
				defer func() {
					if p := recover(); (p != nil) != c.panics {
						t.Errorf("recovered %v", p)
					}
				}()
				_ = handle(t.Context(), &kgo.Record{Topic: topic, Timestamp: time.Now()})
			}()
			span := shipping.spanNamed(t, "process "+topic)
			if span.Status().Code != codes.Error {
				t.Errorf("span status %v", span.Status())
			}
			if _, n := shipping.sum(t, "messaging_process_duration_seconds", map[string]string{"error_type": c.errorType}); n != 1 {
				t.Errorf("the histogram counts %d", n)
			}
			if !strings.Contains(shipping.log.String(), `"error_type":"`+c.errorType+`"`) {
				t.Errorf("log %s", shipping.log)
			}
		})
	}
}
