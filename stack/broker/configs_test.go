package broker_test

import (
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// malformed returns a batch of one record that says to be longer than it is.
func malformed() []byte {
	record := kmsg.NewRecord()
	record.Length, record.Key = 1<<20, []byte("k")
	batch := kmsg.NewRecordBatch()
	batch.Magic, batch.NumRecords, batch.ProducerID, batch.Records = 2, 1, -1, record.AppendTo(nil)
	batch.Length = int32(61 - 12 + len(batch.Records))
	b := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// A topic that is to be compacted is not: that reads records whose lengths nobody has checked.
func TestTopicsAreNotCompacted(t *testing.T) {
	_, address := open(t, t.TempDir(), "orders.placed")
	admin := kadm.NewClient(client(t, address))
	defer admin.Close()
	compact := map[string]*string{"cleanup.policy": kadm.StringPtr("compact"), "segment.bytes": kadm.StringPtr("1"), "retention.ms": kadm.StringPtr("60000")}
	if _, err := admin.CreateTopic(t.Context(), 1, 1, compact, "changelog"); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.AppendConfig, Name: "cleanup.policy", Value: kadm.StringPtr("compact")}}, "orders.placed"); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.AlterTopicConfigsState(t.Context(), []kadm.AlterConfig{{Name: "cleanup.policy", Value: kadm.StringPtr("compact,delete")}}, "orders.placed"); err != nil {
		t.Fatal(err)
	}
	configs, err := admin.DescribeTopicConfigs(t.Context(), "changelog", "orders.placed")
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range configs {
		for _, c := range topic.Configs {
			if c.Key == "cleanup.policy" && c.MaybeValue() != "delete" {
				t.Errorf("%s has the policy %s", topic.Name, c.MaybeValue())
			}
			if c.Key == "segment.bytes" && len(c.MaybeValue()) < len("1048576") {
				t.Errorf("%s has segments of %s bytes", topic.Name, c.MaybeValue())
			}
			if c.Key == "retention.ms" && topic.Name == "changelog" && c.MaybeValue() != "60000" {
				t.Errorf("the retention of %s is %s", topic.Name, c.MaybeValue())
			}
		}
	}
	produced := kmsg.NewPtrProduceRequest()
	produced.Acks, produced.TimeoutMillis = -1, 1000
	topic, partition := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	topic.Topic, partition.Records = "changelog", malformed()
	topic.Partitions = append(topic.Partitions, partition)
	produced.Topics = append(produced.Topics, topic)
	produced.SetVersion(9)
	for range 3 {
		if !ask(t, address, produced) {
			t.Fatal("a batch was refused")
		}
	}
	// Its ticker would compact every millisecond.
	interval := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource, config := kmsg.NewIncrementalAlterConfigsRequestResource(), kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	resource.ResourceType = kmsg.ConfigResourceTypeBroker
	config.Name, config.Value = "log.cleaner.backoff.ms", kmsg.StringPtr("1")
	resource.Configs = append(resource.Configs, config)
	interval.Resources = append(interval.Resources, resource)
	if ask(t, address, interval) {
		t.Error("a client sets a configuration of the broker")
	}
	time.Sleep(100 * time.Millisecond)
	produce(t, address, "a")
}

// A member with a protocol twice, or without any, is refused.
func TestProtocolsOfMembers(t *testing.T) {
	_, address := open(t, t.TempDir(), "orders.placed")
	for version := range int16(10) {
		for what, names := range map[string][]string{"twice": {"range", "range"}, "none": nil} {
			join := kmsg.NewPtrJoinGroupRequest()
			join.Group, join.ProtocolType, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = "g", "consumer", 10_000, 1
			for _, name := range names {
				join.Protocols = append(join.Protocols, kmsg.JoinGroupRequestProtocol{Name: name})
			}
			join.SetVersion(version)
			if ask(t, address, join) {
				t.Errorf("%s, version %d: was answered", what, version)
			}
		}
	}
	produce(t, address, "a")
	if got := consume(t, address, 1); got[0] != "a" {
		t.Errorf("consumed %v", got)
	}
}
