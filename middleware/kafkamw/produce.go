package kafkamw

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/messaging"
)

// ClientOptions returns options for kgo.NewClient that measure the records that the
// client produces. A record belongs to the request in the context that it is
// produced with. For an outbox row, hop.Restore returns that context.
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

// sending is a record in flight. It replaces the record's context until the record is
// acknowledged.
type sending struct {
	context.Context
	messaging.Sending
	carrier carrier
	headers []kgo.RecordHeader // as the caller set them
}

// OnProduceRecordBuffered starts the record's span and writes its headers. A record that
// other options of the client measure already is left to them.
func (p *producer) OnProduceRecordBuffered(r *kgo.Record) {
	if by, ok := r.Context.(*sending); ok && by.carrier.record == r && by.Producer().Core() == p.measured.Core() {
		return
	}
	s := &sending{Context: r.Context, carrier: carrier{record: r}, headers: r.Headers}
	if s.Context == nil {
		s.Context = context.Background()
	}
	p.measured.Begin(s.Context, &s.Sending, r.Topic, &s.carrier)
	r.Context = s
}

// OnProduceRecordUnbuffered ends the record's span and restores the record's context.
func (p *producer) OnProduceRecordUnbuffered(r *kgo.Record, err error) {
	at, headers := &r.Context, &r.Headers // within those of another producer with its own telemetry
	s, ok := (*at).(*sending)
	for ok && s.Producer() != p.measured {
		at, headers = &s.Context, &s.headers
		s, ok = (*at).(*sending)
	}
	if !ok || s.carrier.record != r {
		return
	}
	*at = s.Context
	if err != nil {
		*headers = s.headers // a record that is sent again belongs to another request
		s.End(err)
		return
	}
	s.End(nil, adapter.AttrMessagingPartition.Int(int(r.Partition)), adapter.AttrKafkaOffset.Int64(r.Offset))
}

// Produce sends a record and waits for its acknowledgement. The time counts as a
// wait of the hop for the topic. The record has a span only when the client was
// created with ClientOptions.
func Produce(ctx context.Context, cl *kgo.Client, r *kgo.Record) error {
	wait := system.Wait(ctx, r.Topic)
	defer wait.End()
	if r.Timestamp.IsZero() {
		r.Timestamp = time.Now() // the queue wait starts here, not when a batch is cut
	}
	return cl.ProduceSync(ctx, r).FirstErr()
}

// PublishWait records in hop_queue_wait_seconds the wait of an outbox row from its
// commit until now, with the operation "publish <topic>". ctx is the result of
// hop.Restore, which has the row's entry. A nil t means hop.Default.
func PublishWait(ctx context.Context, t *hop.Telemetry, topic string, committed time.Time) {
	messaging.PublishWait(ctx, t, topic, committed)
}
