package runtime

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/middleware/kafkamw"
)

// Brokers are the seed brokers of a Kafka cluster.
type Brokers []string

func (b Brokers) client(e *Env, opts ...kgo.Opt) (*kgo.Client, error) {
	if len(b) == 0 {
		return nil, errors.New("no Kafka broker is known; set TENHOP_KAFKA=host:port")
	}
	opts = append(opts, kgo.SeedBrokers(b...), kgo.ClientID(e.Name), kgo.AllowAutoTopicCreation(),
		kgo.RetryTimeout(10*time.Second), kgo.MetadataMinAge(250*time.Millisecond))
	opts = append(opts, kgo.ProducerLinger(0), kgo.RecordDeliveryTimeout(30*time.Second))
	opts = append(opts, kafkamw.ClientOptions(kafkamw.WithTelemetry(e.Telemetry))...)
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	e.OnClose(func() error { cl.Close(); return nil })
	return cl, nil
}

// Producer returns a measured client that produces at once: events are rare
// and somebody waits for them, so nothing lingers. The broker may be away: an
// outbox keeps what it cannot send.
func (b Brokers) Producer(e *Env) (*kgo.Client, error) { return b.client(e) }

// Consumer returns a measured client in the service's consumer group that
// commits what was handled and produces like Producer's. Without a broker there
// is nothing to do: it is an error, and later a failed readiness check.
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

// atOnce is how many records of a fetch are handled at a time. Records of one
// fetch are different orders: nothing relies on the order among them.
const atOnce = 32

// Consume hands records to handle, each until it succeeds, and commits behind
// them: at least once. It returns when ctx ends.
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
		g.SetLimit(atOnce)
		for iter := fetches.RecordIter(); !iter.Done(); {
			rec := iter.Next()
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
