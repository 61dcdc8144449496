package peers

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kotel"
	"github.com/twmb/franz-go/plugin/kprom"
)

func (p *Peers) tracer() *kotel.Tracer {
	return kotel.NewTracer(kotel.TracerProvider(p.provider), kotel.TracerPropagator(p.propagator),
		kotel.ConsumerGroup(p.service), kotel.ClientID(p.service))
}

// ClientOptions instruments a Kafka client.
func (p *Peers) ClientOptions() []kgo.Opt {
	metrics := kprom.NewMetrics("kafka", kprom.Registry(p.registry), kprom.FetchAndProduceDetail(kprom.ByTopic, kprom.Records, kprom.UncompressedBytes))
	return []kgo.Opt{kgo.WithHooks(p.tracer(), metrics, produced{p})}
}

// Record instruments the handler of records.
func (p *Peers) Record(handle func(context.Context, *kgo.Record) error) func(context.Context, *kgo.Record) error {
	tracer := p.tracer()
	return func(ctx context.Context, r *kgo.Record) error {
		start := time.Now()
		if r.Context == nil {
			r.Context = ctx
		}
		ctx, span := tracer.WithProcessSpan(r)
		defer span.End()
		id := ""
		for _, h := range r.Headers {
			if h.Key == correlationHeader {
				id = string(h.Value)
			}
		}
		ctx, _ = correlated(ctx, id)
		err := handle(ctx, r)
		outcome, took := "ok", time.Since(start)
		if err != nil {
			outcome = "error"
			span.RecordError(err)
		}
		p.records.observe(ctx, took, r.Topic, outcome)
		traced(ctx, p.log.Info()).Str("topic", r.Topic).Int32("partition", r.Partition).Int64("offset", r.Offset).
			Dur("queue_wait", start.Sub(r.Timestamp)).Dur("duration", took).Msg("record")
		return err
	}
}

// produced counts and logs sent records, and sends the correlation ID with them.
type produced struct{ *Peers }

var (
	_ kgo.HookProduceRecordBuffered   = produced{}
	_ kgo.HookProduceRecordUnbuffered = produced{}
)

// OnProduceRecordBuffered implements kgo.HookProduceRecordBuffered.
func (p produced) OnProduceRecordBuffered(r *kgo.Record) {
	if r.Timestamp.IsZero() {
		r.Timestamp = time.Now()
	}
	r.Headers = append(r.Headers, kgo.RecordHeader{Key: correlationHeader, Value: []byte(correlation(r.Context))})
}

// OnProduceRecordUnbuffered implements kgo.HookProduceRecordUnbuffered.
func (p produced) OnProduceRecordUnbuffered(r *kgo.Record, err error) {
	outcome, took := "produced", time.Since(r.Timestamp)
	if err != nil {
		outcome = "not produced"
	}
	p.records.observe(r.Context, took, r.Topic, outcome)
	traced(r.Context, p.log.Info()).Str("topic", r.Topic).Dur("duration", took).Msg(outcome)
}
