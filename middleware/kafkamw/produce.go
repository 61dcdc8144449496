package kafkamw

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
)

// ClientOptions returns the hooks that measure what a client produces: give
// them to kgo.NewClient. A record belongs to the request in the context that it
// is produced with, also to one that hop.Restore brought back from an outbox.
func ClientOptions(opts ...Option) []kgo.Opt {
	return []kgo.Opt{kgo.WithHooks(newProducer(configure(opts)))}
}

type producer struct {
	config
	topics topics
}

func newProducer(c config) *producer {
	d := must(c.telemetry.RequestHistogram("messaging_client_operation_duration_seconds",
		"Duration of producing a message, from buffered to acknowledged.",
		"messaging_system", "messaging_operation_name", "messaging_destination_name", "error_type"))
	return &producer{config: c, topics: topics{verb: verbSend,
		series: func(topic, errorType string) *hop.Series { return d.With(systemName, verbSend, topic, errorType) }}}
}

const verbSend = "send"

// sending is a record on its way. It takes the place of the record's context,
// where it is found again when the record is acknowledged.
type sending struct {
	context.Context
	producer *producer
	topic    *topic
	call     hop.ClientCall
	carrier  carrier
}

// OnProduceRecordBuffered starts the record's span and writes its headers.
func (p *producer) OnProduceRecordBuffered(r *kgo.Record) {
	ctx := r.Context
	if ctx == nil {
		ctx = context.Background()
	}
	s := &sending{Context: ctx, producer: p, topic: p.topics.of(r.Topic), carrier: carrier{record: r}}
	out := hop.Outgoing{SpanName: s.topic.operation, SpanKind: trace.SpanKindProducer, NoWait: true, Async: true, Fixed: s.topic.attrs}
	if r.Topic != s.topic.name { // beyond the bound of names, which spans do not need
		out.Attributes = []attribute.KeyValue{hop.AttrMessagingTopic.String(r.Topic)}
	}
	called, call := p.telemetry.BeginCall(ctx, out)
	s.call = call
	s.call.Inject(called, &s.carrier)
	r.Context = s
}

// OnProduceRecordUnbuffered ends the record's span and gives the record its
// own context back.
func (p *producer) OnProduceRecordUnbuffered(r *kgo.Record, err error) {
	s, ok := r.Context.(*sending)
	if !ok || s.producer != p {
		return
	}
	r.Context = s.Context
	out := hop.Outcome{ErrorType: errorType(err), Failed: err != nil}
	attrs := hop.BorrowAttributes()
	defer attrs.Return()
	out.Attrs = attrs[:0]
	if err == nil {
		out.Attrs = append(out.Attrs, hop.AttrMessagingPartition.Int(int(r.Partition)), hop.AttrKafkaOffset.Int64(r.Offset))
	}
	start, sc := s.call.Start(), s.call.Span().SpanContext()
	d := s.call.End(out)
	p.topics.seriesOf(s.topic, out.ErrorType).Observe(d, start.Add(d), sc)
}

// Produce sends a record and waits until the broker has it. The wait counts as
// the hop's, under the topic's name. The client needs ClientOptions for the
// record to have a span.
func Produce(ctx context.Context, cl *kgo.Client, r *kgo.Record) error {
	wait := hop.StartCall(ctx, hop.Dependency{Name: r.Topic, Kind: hop.KindProduce})
	defer wait.End()
	if r.Timestamp.IsZero() {
		r.Timestamp = time.Now() // the queue wait starts here, not when a batch is cut
	}
	return cl.ProduceSync(ctx, r).FirstErr()
}

// PublishWait records how long an outbox row waited, from its commit to now:
// hop_queue_wait_seconds with the operation "publish <topic>". ctx is what
// hop.Restore made of the row, so that the wait counts for its entry. A nil t
// means hop.Default.
func PublishWait(ctx context.Context, t *hop.Telemetry, topic string, committed time.Time) {
	if t == nil {
		t = hop.Default()
	}
	t.QueueWait(ctx, "publish "+topic, max(t.Now().Sub(committed), 0))
}
