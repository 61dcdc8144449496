// Package broker is a Kafka broker in this process: franz-go's kfake speaks the
// real protocol over TCP, with consumer groups and transactions, and keeps
// topics, records and committed offsets in a directory.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	DefaultPartitions     = 3
	DefaultRetention      = 24 * time.Hour
	DefaultRetentionBytes = 256 << 20 // per partition
	retentionEvery        = time.Minute
	segmentBytes          = 16 << 20
	clusterID             = "tenhop"
	createTimeout         = 5 * time.Second
)

// Broker is a running broker. Create it with Open and end it with Close.
type Broker struct {
	topics         []string
	partitions     int32
	retention      time.Duration
	retentionBytes int64
	log            *slog.Logger

	cluster *kfake.Cluster
	stop    chan struct{}
	done    sync.WaitGroup
	once    sync.Once
}

// Option configures a Broker.
type Option func(*Broker)

// WithTopics creates these topics unless they exist.
func WithTopics(names ...string) Option { return func(b *Broker) { b.topics = names } }

// WithPartitions sets the number of partitions of topics that are created.
func WithPartitions(n int32) Option { return func(b *Broker) { b.partitions = n } }

// WithRetention drops records older than d and, beyond bytes in a partition,
// the oldest.
func WithRetention(d time.Duration, bytes int64) Option {
	return func(b *Broker) { b.retention, b.retentionBytes = d, bytes }
}

// WithLogger replaces slog.Default.
func WithLogger(l *slog.Logger) Option { return func(b *Broker) { b.log = l } }

// Open starts a broker that listens on l and keeps its state in dir, which is
// created if needed. It owns l from then on, also when it fails.
func Open(ctx context.Context, l net.Listener, dir string, opts ...Option) (*Broker, error) {
	b := &Broker{
		partitions:     DefaultPartitions,
		retention:      DefaultRetention,
		retentionBytes: DefaultRetentionBytes,
		log:            slog.Default(),
		stop:           make(chan struct{}),
	}
	for _, o := range opts {
		o(b)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("open broker: %w", err), l.Close())
	}
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.ClusterID(clusterID),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return guarding{l}, nil }),
		kfake.DataDir(dir),
		kfake.DefaultNumPartitions(int(b.partitions)),
		kfake.AllowAutoTopicCreation(),
		kfake.WithLogger(logger{b.log}),
		kfake.BrokerConfigs(map[string]string{
			"log.retention.ms":    strconv.FormatInt(b.retention.Milliseconds(), 10),
			"log.retention.bytes": strconv.FormatInt(b.retentionBytes, 10),
			"log.segment.bytes":   strconv.Itoa(segmentBytes),
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
	b.done.Go(b.applyRetention)
	return b, nil
}

// createTopics asks the broker itself, since kfake seeds topics only into an
// empty directory.
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

func (b *Broker) applyRetention() {
	tick := time.NewTicker(retentionEvery)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-tick.C:
			b.cluster.ApplyRetention()
		}
	}
}

// Close saves the state and stops. Clients see their connections end.
func (b *Broker) Close() {
	b.once.Do(func() {
		close(b.stop)
		b.done.Wait()
		b.cluster.Close()
	})
}

// logger passes kfake's errors and warnings on; it is chatty below that.
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
