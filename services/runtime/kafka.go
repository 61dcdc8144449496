package runtime

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tenhop/tenhop/middleware/kafkamw"
	"github.com/tenhop/tenhop/services/faults"
)

// Brokers holds the seed brokers of a Kafka cluster, host:port each.
type Brokers []string

// kafka publishes and consumes events with one client.
type kafka struct {
	e     *Env
	cl    *kgo.Client
	admin *kadm.Client
}

var _ Consumer = (*kafka)(nil)

func (b Brokers) open(e *Env, opts ...kgo.Opt) (*kafka, error) {
	if len(b) == 0 {
		return nil, errors.New("no broker is configured; set TENHOP_KAFKA=host:port or TENHOP_AMQP=amqp://host:port")
	}
	opts = append(opts, kgo.SeedBrokers(b...), kgo.ClientID(e.Name), kgo.AllowAutoTopicCreation(),
		kgo.RetryTimeout(10*time.Second), kgo.MetadataMinAge(250*time.Millisecond))
	opts = append(opts, kgo.ProducerLinger(0), kgo.RecordDeliveryTimeout(30*time.Second))
	opts = append(opts, kgo.Dialer(e.links.Dialer("kafka", (&net.Dialer{Timeout: 10 * time.Second}).DialContext)))
	opts = append(opts, e.kafkaOptions()...)
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	e.OnClose(func() error { cl.Close(); return nil })
	return &kafka{e: e, cl: cl, admin: kadm.NewClient(cl)}, nil
}

// consumer returns a client in the service's consumer group. Offsets are committed by
// Consume.
func (b Brokers) consumer(ctx context.Context, e *Env, topic string) (*kafka, error) {
	k, err := b.open(e, kgo.ConsumerGroup(e.Name), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(time.Second),
		kgo.SessionTimeout(10*time.Second), kgo.HeartbeatInterval(2*time.Second))
	if err != nil {
		return nil, err
	}
	ping, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if err := k.cl.Ping(ping); err != nil {
		return nil, err
	}
	e.AddCheck("broker", k.cl.Ping)
	return k, nil
}

// Publish implements Publisher. It sends the record without lingering.
func (k *kafka) Publish(ctx context.Context, ev Event) error {
	return kafkamw.Produce(ctx, k.cl, &kgo.Record{Topic: ev.Topic, Key: []byte(ev.Key), Value: ev.Value})
}

func (k *kafka) bury(ctx context.Context, topic string, ev Event, reason string) error {
	return kafkamw.Produce(ctx, k.cl, &kgo.Record{Topic: topic, Key: []byte(ev.Key), Value: ev.Value,
		Headers: []kgo.RecordHeader{{Key: headerReason, Value: []byte(reason)}}})
}

// Lag implements Publisher. A group that has committed nothing has all records to read.
func (k *kafka) Lag(ctx context.Context, topic, group string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, lagTimeout)
	defer cancel()
	committed, err := k.admin.FetchOffsets(ctx, group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // some brokers know a group from its first member on
		return 0, err
	}
	starts, err := k.admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return 0, err
	}
	ends, err := k.admin.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return 0, err
	}
	lag := int64(0)
	ends.Each(func(end kadm.ListedOffset) {
		from := int64(0)
		if start, ok := starts.Lookup(topic, end.Partition); ok {
			from = start.Offset
		}
		if c, ok := committed.Lookup(topic, end.Partition); ok {
			from = max(from, c.At)
		}
		lag += max(end.Offset-from, 0)
	})
	if err := ends.Error(); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) { // nothing is published yet
		return 0, err
	}
	return lag, nil
}

// lagTimeout bounds the time in which a broker tells the lag of a group.
const lagTimeout = 5 * time.Second

// Refused reports whether a broker will refuse an event on every attempt.
func Refused(err error) bool {
	return errors.Is(err, errTooLarge) ||
		errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge) || errors.Is(err, kerr.InvalidRecord)
}

// Consume implements Consumer. It commits the offsets of a fetch when all of its records
// have been handled.
func (k *kafka) Consume(ctx context.Context, handle EventFunc) error {
	var fetch, commit seldom
	handle = k.e.burying(handle, k.bury)
	process := k.e.record(func(ctx context.Context, r *kgo.Record) error {
		ev, _ := EventOf(r)
		return handle(ctx, ev)
	})
	for {
		fetches := k.cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fetches.EachError(func(topic string, _ int32, err error) {
			if fetch.due() {
				k.e.Telemetry.Zerolog().Warn().Err(err).Str("topic", topic).Msg("fetch failed, trying again")
			}
		})
		if fetches.NumRecords() == 0 && len(fetches.Errors()) > 0 {
			sleep(ctx, 250*time.Millisecond)
			continue
		}
		run := newLanes()
		for iter := fetches.RecordIter(); !iter.Done(); {
			rec := iter.Next()
			if !k.e.mayTake(ctx) {
				break
			}
			run.do(string(rec.Key), func() {
				_ = untilHandled(ctx, func(ctx context.Context) error { return process(ctx, rec) })
			})
		}
		run.wait()
		if err := ctx.Err(); err != nil { // records that were not handled are not committed
			return err
		}
		if err := k.cl.CommitUncommittedOffsets(ctx); err != nil && ctx.Err() == nil && commit.due() {
			k.e.Telemetry.Zerolog().Warn().Err(err).Msg("offsets were not committed; records may come again")
		}
	}
}

// mayTake reports whether a consumer may take its next event, which a slow consumer does
// late. It reports false when ctx has ended.
func (e *Env) mayTake(ctx context.Context) bool {
	if f, on := e.Chaos.On(ctx, faults.SlowConsumer.Name); on {
		return sleep(ctx, time.Duration(f.Latency))
	}
	return true
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
