package broker_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tenhop/tenhop/stack/broker"
)

const patience = 20 * time.Second

func open(t *testing.T, dir string, topics ...string) (*broker.Broker, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b, err := broker.Open(t.Context(), l, dir, broker.WithTopics(topics...), broker.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b, l.Addr().String()
}

func client(t *testing.T, address string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(address))...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func produce(t *testing.T, address string, values ...string) {
	t.Helper()
	c := client(t, address)
	defer c.Close()
	for _, v := range values {
		if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "orders.placed", Key: []byte("k"), Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// consume reads n records as a member of the group and commits them.
func consume(t *testing.T, address string, n int) []string {
	t.Helper()
	c := client(t, address, kgo.ConsumerGroup("shipping"), kgo.ConsumeTopics("orders.placed"), kgo.DisableAutoCommit())
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var got []string
	for len(got) < n {
		fetches := c.PollRecords(ctx, n-len(got))
		if err := fetches.Err0(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value)) })
		if err := c.CommitRecords(ctx, fetches.Records()...); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

func TestRecordsAndOffsetsSurviveRestart(t *testing.T) {
	dir := t.TempDir()
	b, address := open(t, dir, "orders.placed")
	produce(t, address, "1", "2")
	if got := consume(t, address, 1); !slices.Equal(got, []string{"1"}) {
		t.Fatalf("got %v", got)
	}
	b.Close()

	_, address = open(t, dir, "orders.placed")
	produce(t, address, "3")
	if got := consume(t, address, 2); !slices.Equal(got, []string{"2", "3"}) {
		t.Errorf("after restart %v: committed offsets are lost", got)
	}
}

func TestTopicsAreCreatedAlsoInAnOlderDirectory(t *testing.T) {
	dir := t.TempDir()
	b, _ := open(t, dir, "orders.placed")
	b.Close()
	_, address := open(t, dir, "orders.placed", "shipments.created")
	c := client(t, address)
	defer c.Close()
	topics, err := kadm.NewClient(c).ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"orders.placed", "shipments.created"} {
		if got := len(topics[name].Partitions); got != broker.DefaultPartitions {
			t.Errorf("%s has %d partitions", name, got)
		}
	}
}

func TestUnusableDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := broker.Open(t.Context(), l, file); err == nil {
		t.Fatal("opened a file as directory")
	}
	if _, err := l.Accept(); err == nil {
		t.Error("the listener is still open")
	}
}
