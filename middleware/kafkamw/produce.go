package kafkamw

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/messaging"
)

// ClientOptions returns the hooks that measure what a client produces: give
// them to kgo.NewClient. A record belongs to the request in the context that it
// is produced with, also to one that hop.Restore brought back from an outbox.
func ClientOptions(opts ...Option) []kgo.Opt {
	return []kgo.Opt{kgo.WithHooks(newProducer(opts...))}
}

var (
	_ kgo.HookProduceRecordBuffered   = (*producer)(nil)
	_ kgo.HookProduceRecordUnbuffered = (*producer)(nil)
)

type producer struct{ measured *messaging.Producer }

func newProducer(opts ...Option) *producer {
	return &producer{measured: messaging.NewProducer(system, opts...)}
}

// sending is a record on its way. It takes the place of the record's context,
// where it is found again when the record is acknowledged.
type sending struct {
	context.Context
	messaging.Sending
	carrier carrier
}

// OnProduceRecordBuffered starts the record's span and writes its headers.
func (p *producer) OnProduceRecordBuffered(r *kgo.Record) {
	s := &sending{Context: r.Context, carrier: carrier{record: r}}
	if s.Context == nil {
		s.Context = context.Background()
	}
	p.measured.Begin(s.Context, &s.Sending, r.Topic, &s.carrier)
	r.Context = s
}

// OnProduceRecordUnbuffered ends the record's span and gives the record its
// own context back.
func (p *producer) OnProduceRecordUnbuffered(r *kgo.Record, err error) {
	s, ok := r.Context.(*sending)
	if !ok || s.Producer() != p.measured {
		return
	}
	r.Context = s.Context
	if err != nil {
		s.End(err)
		return
	}
	s.End(nil, adapter.AttrMessagingPartition.Int(int(r.Partition)), adapter.AttrKafkaOffset.Int64(r.Offset))
}

// Produce sends a record and waits until the broker has it. The wait counts as
// the hop's, under the topic's name. The client needs ClientOptions for the
// record to have a span.
func Produce(ctx context.Context, cl *kgo.Client, r *kgo.Record) error {
	wait := system.Wait(ctx, r.Topic)
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
	messaging.PublishWait(ctx, t, topic, committed)
}
