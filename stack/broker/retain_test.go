package broker

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Records that every group of a topic has read make room; those that one has not read stay,
// whatever their age and size.
func TestUnreadRecordsStay(t *testing.T) {
	b, admin, cl := opened(t, t.TempDir())
	for range 64 { // 4 MiB
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Value: []byte(strings.Repeat("x", 64<<10))}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	start := func() int64 {
		t.Helper()
		if err := b.applyRetention(t.Context(), admin); err != nil {
			t.Fatal(err)
		}
		starts, err := admin.ListStartOffsets(t.Context(), "orders")
		if err != nil {
			t.Fatal(err)
		}
		at, _ := starts.Lookup("orders", 0)
		return at.Offset
	}
	commit := func(group string, at int64) {
		t.Helper()
		o := kadm.Offsets{}
		o.AddOffset("orders", 0, at, -1)
		if err := admin.CommitAllOffsets(context.WithoutCancel(t.Context()), group, o); err != nil {
			t.Fatal(err)
		}
	}
	commit("shipping", 20)
	commit("notification", 5)
	if got := start(); got != 5 {
		t.Errorf("the first record is %d, want 5: notification has not read it", got)
	}
	commit("notification", 64)
	if got := start(); got != 20 {
		t.Errorf("the first record is %d, want 20: shipping has not read it", got)
	}
	commit("shipping", 64)
	if got := start(); got < 45 || got > 50 {
		t.Errorf("the first record is %d, want about 48: 1 MiB stays", got)
	}
	b.retention = time.Nanosecond
	time.Sleep(2 * time.Millisecond)
	if got := start(); got != 63 {
		t.Errorf("the first record is %d, want 63: all are read and old, and the newest stays", got)
	}
}

// After a crash, the offsets of a partition go on where they were: consumers would skip
// records at offsets below those that they have committed.
func TestOffsetsGoOnAfterACrash(t *testing.T) {
	dir, crashed := t.TempDir(), t.TempDir()
	b, admin, cl := opened(t, dir)
	b.retention = time.Nanosecond
	produced := func(cl *kgo.Client) int64 {
		t.Helper()
		r, err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Value: []byte("x")}).First()
		if err != nil {
			t.Fatal(err)
		}
		return r.Offset
	}
	for range 5 {
		produced(cl)
	}
	time.Sleep(2 * time.Millisecond)
	if err := b.applyRetention(t.Context(), admin); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	_, _, cl = opened(t, crashed)
	if got := produced(cl); got != 5 {
		t.Errorf("the next record has offset %d, want 5", got)
	}
}

// A group that has read nothing of any topic has no claim on records.
func TestGroupsWithoutTopics(t *testing.T) {
	b, admin, cl := opened(t, t.TempDir())
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Value: []byte("x")}, &kgo.Record{Topic: "orders", Value: []byte("y")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	idle, err := kgo.NewClient(append(cl.Opts(), kgo.ConsumerGroup("idle"), kgo.ConsumeTopics("orders"), kgo.DisableAutoCommit())...)
	if err != nil {
		t.Fatal(err)
	}
	if err := idle.PollFetches(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	idle.Close()
	b.retention = time.Nanosecond
	time.Sleep(2 * time.Millisecond)
	if err := b.applyRetention(t.Context(), admin); err != nil {
		t.Fatal(err)
	}
	starts, err := admin.ListStartOffsets(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	if at, _ := starts.Lookup("orders", 0); at.Offset != 1 {
		t.Errorf("the first record is %d, want 1", at.Offset)
	}
}

// A group without members loses its offsets, and with them its claim, after the retention.
func TestVanishedGroups(t *testing.T) {
	_, admin, _ := opened(t, t.TempDir())
	configs, err := admin.DescribeBrokerConfigs(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configs[0].Configs {
		if c.Key == "offsets.retention.minutes" && c.MaybeValue() != "60" {
			t.Errorf("offsets are kept for %s minutes, records for 60", c.MaybeValue())
		}
	}
}

// opened returns a broker with the topic orders, of one partition, and its clients.
func opened(t *testing.T, dir string) (*Broker, *kadm.Client, *kgo.Client) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(t.Context(), l, dir, WithTopics("orders"), WithPartitions(1),
		WithRetention(time.Hour, 1<<20), WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(l.Addr().String()), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return b, kadm.NewClient(cl), cl
}
