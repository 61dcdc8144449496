package runtime

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/middleware/kafkamw"
	"github.com/tenhop/tenhop/services/faults"
)

// Brokers holds the seed brokers of a Kafka cluster, host:port each.
type Brokers []string

func (b Brokers) client(e *Env, opts ...kgo.Opt) (*kgo.Client, error) {
	if len(b) == 0 {
		return nil, errors.New("no Kafka broker is configured; set TENHOP_KAFKA=host:port")
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
	return cl, nil
}

// Producer returns an instrumented client that sends records without lingering.
// The broker need not be available; an outbox keeps the events meanwhile.
func (b Brokers) Producer(e *Env) (*kgo.Client, error) { return b.client(e) }

// Consumer returns an instrumented client in the service's consumer group, which
// can also produce. Offsets are committed by Consume. It fails if the broker is
// not available, and adds a readiness check for the broker.
func (b Brokers) Consumer(ctx context.Context, e *Env, topic string) (*kgo.Client, error) {
	cl, err := b.client(e, kgo.ConsumerGroup(e.Name), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(time.Second),
		kgo.SessionTimeout(10*time.Second), kgo.HeartbeatInterval(2*time.Second))
	if err != nil {
		return nil, err
	}
	ping, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if err := cl.Ping(ping); err != nil {
		return nil, err
	}
	e.AddCheck("broker", cl.Ping)
	return cl, nil
}

// maxRecords is the number of records of a fetch that are handled concurrently.
// They belong to different orders, so their sequence does not matter.
const maxRecords = 32

// Consume calls handle for each record until it succeeds, and then commits the
// offsets: records are handled at least once. It returns when ctx ends.
func Consume(ctx context.Context, e *Env, cl *kgo.Client, handle kafkamw.RecordFunc) error {
	var fetch, commit seldom
	for {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fetches.EachError(func(topic string, _ int32, err error) {
			if fetch.due() {
				e.Telemetry.Zerolog().Warn().Err(err).Str("topic", topic).Msg("fetch failed, trying again")
			}
		})
		if fetches.NumRecords() == 0 && len(fetches.Errors()) > 0 {
			sleep(ctx, 250*time.Millisecond)
			continue
		}
		var g errgroup.Group
		g.SetLimit(maxRecords)
		for iter := fetches.RecordIter(); !iter.Done(); {
			rec := iter.Next()
			if f, on := e.Chaos.On(ctx, faults.SlowConsumer.Name); on && !sleep(ctx, time.Duration(f.Latency)) {
				break
			}
			g.Go(func() error {
				for wait := 100 * time.Millisecond; handle(ctx, rec) != nil; wait = min(2*wait, 5*time.Second) {
					if !sleep(ctx, wait) {
						return ctx.Err()
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil { // records that were not handled are not committed
			return err
		}
		if err := cl.CommitUncommittedOffsets(ctx); err != nil && ctx.Err() == nil && commit.due() {
			e.Telemetry.Zerolog().Warn().Err(err).Msg("offsets were not committed; records may come again")
		}
	}
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
