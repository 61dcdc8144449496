package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// minSegmentBytes and maxSegmentBytes bound the size of a file of records. A file is
// removed as a whole.
const (
	minSegmentBytes = 1 << 20
	maxSegmentBytes = 16 << 20
)

// retain applies the retention at intervals.
func (b *Broker) retain(admin *kadm.Client) {
	defer admin.Close()
	tick := time.NewTicker(retentionEvery)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-tick.C:
			ctx, cancel := context.WithTimeout(context.Background(), retentionEvery)
			if err := b.countPartitions(ctx, admin); err != nil {
				b.log.Warn("count partitions", "error", err)
			}
			if err := b.applyRetention(ctx, admin); err != nil {
				b.log.Warn("remove old records", "error", err)
			}
			cancel()
		}
	}
}

// applyRetention removes records that are older than the retention, and the oldest ones of
// the partitions that exceed their share of the disk space. It keeps the records that a
// consumer group of the topic has not read: they are acknowledged, and nobody else has them.
// The newest record of a partition stays: after a crash, its offset tells the next one.
func (b *Broker) applyRetention(ctx context.Context, admin *kadm.Client) error {
	starts, err := admin.ListStartOffsets(ctx)
	if err != nil {
		return fmt.Errorf("list offsets: %w", err)
	}
	ends, err := admin.ListEndOffsets(ctx)
	if err != nil {
		return fmt.Errorf("list offsets: %w", err)
	}
	aged, err := admin.ListOffsetsAfterMilli(ctx, time.Now().Add(-b.retention).UnixMilli())
	if err != nil {
		return fmt.Errorf("list offsets: %w", err)
	}
	unread, err := unreadOffsets(ctx, admin)
	if err != nil {
		return fmt.Errorf("read the offsets of consumer groups: %w", err)
	}
	dirs, err := admin.DescribeAllLogDirs(ctx, nil)
	if err != nil {
		return fmt.Errorf("read the size of partitions: %w", err)
	}
	sizes, partitions := map[string]map[int32]int64{}, int64(0)
	for _, d := range dirs {
		d.Each(func(d kadm.DescribedLogDir) {
			d.Topics.Each(func(p kadm.DescribedLogDirPartition) {
				if sizes[p.Topic] == nil {
					sizes[p.Topic] = map[int32]int64{}
				}
				sizes[p.Topic][p.Partition] += p.Size
				partitions++
			})
		})
	}
	remove, kept := kadm.Offsets{}, int64(0)
	starts.Each(func(start kadm.ListedOffset) {
		end, ok := ends.Lookup(start.Topic, start.Partition)
		newest := end.Offset - 1
		if !ok || newest <= start.Offset {
			return
		}
		to := start.Offset
		if after, ok := aged.Lookup(start.Topic, start.Partition); ok && after.Err == nil && after.Offset >= 0 {
			to = max(to, after.Offset)
		}
		size, share := sizes[start.Topic][start.Partition], b.diskBytes/partitions
		if size > share { // records of a partition are of about the same size
			records := end.Offset - start.Offset
			to = max(to, start.Offset+int64(float64(records)*float64(size-share)/float64(size))+1)
		}
		to = min(to, newest)
		if first, ok := unread[start.Topic][start.Partition]; ok && to > first {
			if to = max(first, start.Offset); size > share {
				kept += size - share
			}
		}
		if to > start.Offset {
			remove.AddOffset(start.Topic, start.Partition, to, -1)
		}
	})
	if kept > 0 {
		b.log.Warn("records that a consumer group has not read exceed the disk space for messages; they stay", "bytes", kept)
	}
	if len(remove) == 0 {
		return nil
	}
	removed, err := admin.DeleteRecords(ctx, remove)
	if err != nil {
		return err
	}
	return removed.Error()
}

// unreadOffsets returns the first offset of each partition that some consumer group of the
// topic has not read. Partitions without a group are not in it.
func unreadOffsets(ctx context.Context, admin *kadm.Client) (map[string]map[int32]int64, error) {
	groups, err := admin.ListGroups(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]map[int32]int64{}
	for _, name := range groups.Groups() {
		committed, err := admin.FetchOffsets(ctx, name)
		if err != nil {
			return nil, err
		}
		joined, err := admin.DescribeGroups(ctx, name)
		if err != nil {
			return nil, err
		}
		reads := joined.AssignedPartitions() // also those it has committed nothing of
		for _, topic := range joined.JoinTopics() {
			reads.Add(topic) // nothing is assigned while members join
		}
		for topic := range committed {
			reads.Add(topic)
		}
		if len(reads) == 0 {
			continue
		}
		for topic := range reads {
			if out[topic] == nil {
				out[topic] = map[int32]int64{}
			}
		}
		listed, err := admin.ListStartOffsets(ctx, reads.Topics()...)
		if err != nil {
			return nil, err
		}
		listed.Each(func(p kadm.ListedOffset) {
			at := p.Offset
			if c, ok := committed.Lookup(p.Topic, p.Partition); ok && c.Err == nil {
				at = max(at, c.At)
			}
			if first, ok := out[p.Topic][p.Partition]; !ok || at < first {
				out[p.Topic][p.Partition] = at
			}
		})
	}
	return out, nil
}

// admin returns a client of the broker itself.
func (b *Broker) admin(address string) (*kadm.Client, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		return nil, err
	}
	return kadm.NewClient(client), nil
}
