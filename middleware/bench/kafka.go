package main

import (
	"context"
	"io"
	"reflect"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kotel"
	"github.com/twmb/franz-go/plugin/kprom"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/kafkamw"
)

func record(sampled bool) *kgo.Record {
	return &kgo.Record{Topic: "orders.placed", Key: []byte("order-7"), Value: []byte("{}"), Offset: 42, Timestamp: time.Now(), Headers: []kgo.RecordHeader{
		{Key: "traceparent", Value: []byte(parent(sampled))},
		{Key: "x-correlation-id", Value: []byte("0192f0c1-2a3b-7c4d-8e5f-0123456789ab")},
	}}
}

var broker = kgo.BrokerMetadata{NodeID: 1, Host: "broker", Port: 9092}

const consumerGroup = "shipping"

// kafkaConsume: hooks and process span are called directly, in franz-go's order.
func kafkaConsume(tp providers, sampled bool) variants {
	r := record(sampled)
	ours := kafkamw.Handler(func(context.Context, *kgo.Record) error { return nil },
		kafkamw.WithTelemetry(telemetry(tp.ours)), kafkamw.WithConsumerGroup(consumerGroup))
	tracer := kotel.NewTracer(kotel.TracerProvider(tp.sdk), kotel.TracerPropagator(propagators),
		kotel.ConsumerGroup(consumerGroup), kotel.ClientID("shipping-1"))
	consume := func(then func(context.Context, trace.Span)) func() {
		return func() {
			r.Context = context.Background()
			tracer.OnFetchRecordBuffered(r)
			tracer.OnFetchRecordUnbuffered(r, true)
			ctx, span := tracer.WithProcessSpan(r)
			then(ctx, span)
			span.End()
		}
	}
	metrics, records := kpromMetrics(), newRecordMetrics()
	logger := zerolog.New(io.Discard).With().Timestamp().Logger()
	batch := kgo.FetchBatchMetrics{NumRecords: 1, UncompressedBytes: 100, CompressedBytes: 100}
	return variants{
		bare:  func() {},
		ours:  func() { _ = ours(context.Background(), r) },
		alone: consume(func(context.Context, trace.Span) {}),
		composed: consume(func(ctx context.Context, span trace.Span) {
			start := time.Now()
			metrics.OnFetchBatchRead(broker, r.Topic, 0, batch)
			id := ""
			for _, h := range r.Headers {
				if h.Key == "x-correlation-id" {
					id = string(h.Value)
				}
			}
			if span.IsRecording() {
				span.SetAttributes(attribute.String("correlation_id", id))
			}
			_ = context.WithValue(ctx, correlationKey{}, id) // what the handler would be given
			waited, took := start.Sub(r.Timestamp), time.Since(start)
			records.observe(span.SpanContext(), r.Topic, took)
			e := logger.Info()
			if sc := span.SpanContext(); sc.IsValid() {
				e = e.Str("trace_id", sc.TraceID().String()).Str("span_id", sc.SpanID().String())
			}
			e.Str("correlation_id", id).Str("topic", r.Topic).Int32("partition", r.Partition).
				Int64("offset", r.Offset).Dur("queue_wait", waited).Dur("duration", took).Msg("record")
		}),
	}
}

// recordMetrics are what a team adds to kprom, which counts bytes and requests
// and knows nothing of a record's processing: rate, errors and duration with
// exemplars, as promhttp has them for HTTP.
type recordMetrics struct {
	duration *prometheus.HistogramVec
	total    *prometheus.CounterVec
}

func newRecordMetrics() recordMetrics {
	m := recordMetrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "d", Buckets: prometheus.DefBuckets, NativeHistogramBucketFactor: 1.1}, []string{"topic", "outcome"}),
		total:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "c"}, []string{"topic", "outcome"}),
	}
	prometheus.NewRegistry().MustRegister(m.duration, m.total)
	return m
}

func (m recordMetrics) observe(sc trace.SpanContext, topic string, took time.Duration) {
	m.total.WithLabelValues(topic, "ok").Inc()
	o := m.duration.WithLabelValues(topic, "ok")
	if e, ok := o.(prometheus.ExemplarObserver); ok && sc.IsSampled() {
		e.ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": sc.TraceID().String()})
		return
	}
	o.Observe(took.Seconds())
}

// kpromMetrics are kprom's; a client that never connects initialises them.
func kpromMetrics() *kprom.Metrics {
	m := kprom.NewMetrics("kafka", kprom.Registry(prometheus.NewRegistry()),
		kprom.FetchAndProduceDetail(kprom.ByTopic, kprom.Records, kprom.UncompressedBytes))
	if _, err := kgo.NewClient(kgo.WithHooks(m)); err != nil {
		panic(err)
	}
	return m
}

func kafkaProduce(tp providers, sampled bool) variants {
	t := telemetry(tp.ours)
	ctx, _ := t.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "POST /orders",
		SpanKind: trace.SpanKindServer, Header: request(sampled, false, true).Header})
	cl, err := kgo.NewClient(kafkamw.ClientOptions(kafkamw.WithTelemetry(t))...)
	if err != nil {
		panic(err)
	}
	type producer interface {
		OnProduceRecordBuffered(*kgo.Record)
		OnProduceRecordUnbuffered(*kgo.Record, error)
	}
	var ours producer
	hooks := reflect.ValueOf(cl.OptValue(kgo.WithHooks)) // a slice of an unexported type
	for i := range hooks.Len() {
		if p, ok := hooks.Index(i).Interface().(producer); ok {
			ours = p
		}
	}
	tracer := kotel.NewTracer(kotel.TracerProvider(tp.sdk), kotel.TracerPropagator(propagators), kotel.ClientID("shipping-1"))
	metrics, records := kpromMetrics(), newRecordMetrics()
	logger := zerolog.New(io.Discard).With().Timestamp().Logger()
	ctx = context.WithValue(ctx, correlationKey{}, "0192f0c1-2a3b-7c4d-8e5f-0123456789ab")
	rec := &kgo.Record{Topic: "orders.placed", Key: []byte("order-7"), Value: []byte("{}")}
	var headers [8]kgo.RecordHeader
	produce := func(p producer, then func()) func() {
		return func() {
			rec.Context, rec.Headers = ctx, headers[:0]
			p.OnProduceRecordBuffered(rec)
			then()
			p.OnProduceRecordUnbuffered(rec, nil)
		}
	}
	batch := kgo.ProduceBatchMetrics{NumRecords: 1, UncompressedBytes: 100, CompressedBytes: 100}
	return variants{
		bare:  func() {},
		ours:  produce(ours, func() {}),
		alone: produce(tracer, func() {}),
		composed: produce(tracer, func() {
			start := time.Now()
			id, _ := rec.Context.Value(correlationKey{}).(string)
			rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: "x-correlation-id", Value: []byte(id)})
			span := trace.SpanFromContext(rec.Context)
			if span.IsRecording() {
				span.SetAttributes(attribute.String("correlation_id", id))
			}
			metrics.OnProduceBatchWritten(broker, rec.Topic, 0, batch)
			records.observe(span.SpanContext(), rec.Topic, time.Since(start))
			e := logger.Info()
			if sc := span.SpanContext(); sc.IsValid() {
				e = e.Str("trace_id", sc.TraceID().String()).Str("span_id", sc.SpanID().String())
			}
			e.Str("correlation_id", id).Str("topic", rec.Topic).Msg("produced")
		}),
	}
}
