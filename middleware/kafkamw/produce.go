package kafkamw

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
)

// ClientOptions returns the hooks that measure what a client produces: give
// them to kgo.NewClient. A record belongs to the request in the context that it
// is produced with.
func ClientOptions(opts ...Option) []kgo.Opt {
	c := configure(opts)
	d := must(c.telemetry.RequestHistogram("messaging_client_operation_duration_seconds",
		"Duration of producing a message, from buffered to acknowledged.",
		"messaging_system", "messaging_operation_name", "messaging_destination_name", "error_type"))
	return []kgo.Opt{kgo.WithHooks(&producer{config: c, duration: d})}
}

type producer struct {
	config
	duration *hop.Histogram
	calls    sync.Map // *kgo.Record -> hop.ClientCall
}

// OnProduceRecordBuffered starts the record's span and writes its headers.
func (p *producer) OnProduceRecordBuffered(r *kgo.Record) {
	ctx := r.Context
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, call := p.telemetry.BeginCall(ctx, hop.Outgoing{
		SpanName: "send " + r.Topic, SpanKind: trace.SpanKindProducer, NoWait: true, Async: true,
		Attributes: attributes(r.Topic, "send", "send"),
	})
	call.Inject(ctx, carrier{r})
	p.calls.Store(r, call)
}

// OnProduceRecordUnbuffered ends the record's span.
func (p *producer) OnProduceRecordUnbuffered(r *kgo.Record, err error) {
	v, ok := p.calls.LoadAndDelete(r)
	if !ok {
		return
	}
	call := v.(hop.ClientCall)
	out := hop.Outcome{ErrorType: errorType(err), Failed: err != nil, Attrs: []attribute.KeyValue{
		attribute.Int("messaging.destination.partition.id", int(r.Partition)),
		attribute.Int64("messaging.kafka.offset", r.Offset),
	}}
	sc := call.Span().SpanContext()
	p.duration.Observe(call.End(out), p.telemetry.Now(), sc, "kafka", "send", r.Topic, out.ErrorType)
}

// Produce sends a record and waits until the broker has it. The wait counts as
// the hop's, under the topic's name.
func Produce(ctx context.Context, cl *kgo.Client, r *kgo.Record) error {
	wait := hop.StartCall(ctx, hop.Dependency{Name: r.Topic, Kind: hop.KindProduce})
	defer wait.End()
	if r.Timestamp.IsZero() {
		r.Timestamp = time.Now()
	}
	return cl.ProduceSync(ctx, r).FirstErr()
}
