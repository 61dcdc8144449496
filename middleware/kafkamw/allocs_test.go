package kafkamw

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
)

type discard struct{ sdktrace.SpanExporter }

func (discard) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (discard) Shutdown(context.Context) error                             { return nil }

func quietTelemetry(tb testing.TB) *hop.Telemetry {
	tb.Helper()
	tp := sdktrace.NewTracerProvider(sdktrace.WithBatcher(discard{}))
	tb.Cleanup(func() { _ = tp.Shutdown(context.Background()) })
	t, err := hop.New(hop.WithServiceName("bench"), hop.WithRegistry(prometheus.NewRegistry()),
		hop.WithZerolog(zerolog.New(io.Discard)), hop.WithTracerProvider(tp))
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func record(flags string) *kgo.Record {
	return &kgo.Record{Topic: "orders.placed", Partition: 3, Offset: 42, Timestamp: time.Now(), Headers: []kgo.RecordHeader{
		{Key: "traceparent", Value: []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-" + flags)},
		{Key: "x-correlation-id", Value: []byte("0198c1f2-7b61-7c50-8000-0123456789ab")},
	}}
}

func consumeOne(tb testing.TB, flags string) func() {
	handle := Handler(func(context.Context, *kgo.Record) error { return nil }, WithTelemetry(quietTelemetry(tb)), WithConsumerGroup("shipping"))
	r, ctx := record(flags), context.Background()
	return func() { _ = handle(ctx, r) }
}

// produceOne buffers and acknowledges a record in the context of a sampled
// span; what the program itself does with the record is not counted.
func produceOne(tb testing.TB) func() {
	p := newProducer(WithTelemetry(quietTelemetry(tb)))
	id, _ := trace.TraceIDFromHex("0af7651916cd43dd8448eb211c80319c")
	span, _ := trace.SpanIDFromHex("b7ad6b7169203331")
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: id, SpanID: span, TraceFlags: trace.FlagsSampled}))
	r := &kgo.Record{Topic: "orders.placed"}
	return func() {
		r.Headers, r.Context = nil, ctx
		p.OnProduceRecordBuffered(r)
		p.OnProduceRecordUnbuffered(r, nil)
	}
}

// The allocations of a measured record are a promise: see docs/middleware/kafka.md.
func TestAllocations(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func()
		most float64
	}{
		{"consume, sampled", consumeOne(t, "01"), 20},
		{"consume, unsampled", consumeOne(t, "00"), 10},
		{"produce, sampled", produceOne(t), 16},
	} {
		got := testing.AllocsPerRun(200, c.do)
		t.Logf("%s: %v allocations", c.name, got)
		if got > c.most && !raceEnabled {
			t.Errorf("%s: %v allocations, at most %v", c.name, got, c.most)
		}
	}
}

func BenchmarkConsume(b *testing.B) {
	for name, flags := range map[string]string{"sampled": "01", "unsampled": "00"} {
		b.Run(name, func(b *testing.B) {
			do := consumeOne(b, flags)
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
		})
	}
}

func BenchmarkProduce(b *testing.B) {
	do := produceOne(b)
	b.ReportAllocs()
	for b.Loop() {
		do()
	}
}
