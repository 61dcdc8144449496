// Package broker embeds a Kafka broker: franz-go's kfake, which implements the
// Kafka protocol over TCP with consumer groups and transactions. Topics, records
// and committed offsets are stored in a directory. They are synchronized to disk
// before they are acknowledged, so a power cut does not take them: there is no
// second broker that has them.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Defaults of the options.
const (
	DefaultPartitions = 3
	DefaultRetention  = 24 * time.Hour
	DefaultDiskBytes  = 1 << 30
	retentionEvery    = time.Minute
	clusterID         = "tenhop"
	createTimeout     = 5 * time.Second
)

// Broker is a running broker. Create it with Open and end it with Close.
type Broker struct {
	topics     []string
	partitions int32
	retention  time.Duration
	diskBytes  int64
	log        *slog.Logger

	cluster *kfake.Cluster
	limits  *limits
	stop    chan struct{}
	done    sync.WaitGroup
	once    sync.Once
}

// Option configures a Broker.
type Option func(*Broker)

// WithTopics sets the topics that Open creates unless they exist.
func WithTopics(names ...string) Option { return func(b *Broker) { b.topics = names } }

// WithPartitions sets the number of partitions of new topics. The default is
// DefaultPartitions.
func WithPartitions(n int32) Option { return func(b *Broker) { b.partitions = n } }

// WithRetention sets the age at which records are removed, and the disk space of all
// records, of which each partition has an equal share. Records that a consumer group of
// their topic has not read stay, whatever their age and size, until the group has had no
// members and committed nothing for that time. The defaults are DefaultRetention and
// DefaultDiskBytes.
func WithRetention(d time.Duration, bytes int64) Option {
	return func(b *Broker) { b.retention, b.diskBytes = d, bytes }
}

// WithLogger sets the logger. The default is slog.Default.
func WithLogger(l *slog.Logger) Option { return func(b *Broker) { b.log = l } }

// Open starts a broker that listens on l and stores its state in dir, which is
// created if needed. The broker owns l, also if Open fails.
func Open(ctx context.Context, l net.Listener, dir string, opts ...Option) (*Broker, error) {
	b := &Broker{
		partitions: DefaultPartitions,
		retention:  DefaultRetention,
		diskBytes:  DefaultDiskBytes,
		log:        slog.Default(),
		stop:       make(chan struct{}),
	}
	for _, o := range opts {
		o(b)
	}
	b.limits = newLimits(b.partitions, b.log)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("open broker: %w", err), l.Close())
	}
	if err := repair(dir); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.ClusterID(clusterID),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return guardedListener{l, b.limits}, nil }),
		kfake.DataDir(dir),
		kfake.SyncWrites(),
		kfake.DefaultNumPartitions(int(b.partitions)),
		kfake.AllowAutoTopicCreation(),
		kfake.WithLogger(logger{b.log}),
		kfake.BrokerConfigs(map[string]string{
			// Retention by the cluster would remove records that are not read yet.
			"log.retention.ms":    "-1",
			"log.retention.bytes": "-1",
			// Without it, a group that vanished would keep records for a week.
			"offsets.retention.minutes": strconv.FormatInt(int64(min(max(b.retention/time.Minute, 1), math.MaxInt32)), 10),
			"log.segment.bytes":         strconv.FormatInt(min(max(b.diskBytes/64, minSegmentBytes), maxSegmentBytes), 10),
		}),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open broker in %s: %w", dir, err), l.Close())
	}
	b.cluster = cluster
	if err := b.createTopics(ctx, l.Addr().String()); err != nil {
		cluster.Close()
		return nil, err
	}
	admin, err := b.admin(l.Addr().String())
	if err != nil {
		cluster.Close()
		return nil, fmt.Errorf("open broker in %s: %w", dir, err)
	}
	if err := b.countPartitions(ctx, admin); err != nil {
		admin.Close()
		cluster.Close()
		return nil, fmt.Errorf("open broker in %s: %w", dir, err)
	}
	b.done.Go(func() { b.retain(admin) })
	return b, nil
}

// createTopics creates topics through the protocol, since kfake's seeding requires
// an empty directory.
func (b *Broker) createTopics(ctx context.Context, address string) error {
	if len(b.topics) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	defer client.Close()
	created, err := kadm.NewClient(client).CreateTopics(ctx, b.partitions, 1, nil, b.topics...)
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	for _, t := range created.Sorted() {
		if t.Err != nil && !errors.Is(t.Err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", t.Topic, t.Err)
		}
	}
	return nil
}

// countPartitions tells the limits which partitions exist.
func (b *Broker) countPartitions(ctx context.Context, admin *kadm.Client) error {
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	at, existing := time.Now(), map[string]int{}
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	for _, t := range topics {
		existing[t.Topic] = len(t.Partitions)
	}
	b.limits.recount(existing, at)
	return nil
}

// Close stores the state and closes all connections.
func (b *Broker) Close() {
	b.once.Do(func() {
		close(b.stop)
		b.done.Wait()
		b.cluster.Close()
	})
}

// logger logs kfake's errors and warnings and drops lower levels.
type logger struct{ *slog.Logger }

// Logf implements kfake.Logger.
func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.Error(fmt.Sprintf(format, args...))
	case kfake.LogLevelWarn:
		l.Warn(fmt.Sprintf(format, args...))
	default:
	}
}
