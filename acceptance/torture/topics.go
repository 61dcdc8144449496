package torture

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// topicTimeout bounds the time in which a topic is read to its end.
const topicTimeout = 30 * time.Second

// ReadTopics counts the records of the orders' topics by their key, the order ID.
func ReadTopics(ctx context.Context, brokers ...string) (map[string]map[string]int, error) {
	out := map[string]map[string]int{}
	for _, topic := range []string{orderTopic, shippedTopic} {
		keys, err := readTopic(ctx, topic, brokers)
		if err != nil {
			return nil, fmt.Errorf("read topic %s: %w", topic, err)
		}
		out[topic] = keys
	}
	return out, nil
}

func readTopic(ctx context.Context, topic string, brokers []string) (map[string]int, error) {
	ctx, cancel := context.WithTimeout(ctx, topicTimeout)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	first, err := admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	left := 0 // partitions that are not read to their end
	ends.Each(func(end kadm.ListedOffset) {
		if from, ok := first.Lookup(topic, end.Partition); ok && from.Offset < end.Offset {
			left++
		}
	})
	keys := map[string]int{}
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("%d partitions were not read to their end: %w", left, err)
		}
		for _, r := range fetches.Records() {
			keys[string(r.Key)]++
			if end, ok := ends.Lookup(topic, r.Partition); ok && r.Offset == end.Offset-1 {
				left--
			}
		}
	}
	return keys, nil
}
