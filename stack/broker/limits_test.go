package broker_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ask sends a request and reports whether it was answered rather than refused.
func ask(t *testing.T, address string, r kmsg.Request) bool {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := string(r.AppendTo(nil))
	if r.IsFlexible() {
		body = "\x00" + body // no tags in the header
	}
	if _, err := conn.Write([]byte(request(r.Key(), r.GetVersion(), body))); err != nil {
		return false
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, err = conn.Read(make([]byte, 4))
	return err == nil
}

func createTopic(name string, partitions int32) kmsg.Request {
	r := kmsg.NewPtrCreateTopicsRequest()
	r.SetVersion(5)
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	r.Topics = append(r.Topics, topic)
	return r
}

func metadata(version int16, create bool, names ...string) kmsg.Request {
	r := kmsg.NewPtrMetadataRequest()
	r.SetVersion(version)
	r.AllowAutoTopicCreation = create
	for _, name := range names {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(name)
		r.Topics = append(r.Topics, topic)
	}
	return r
}

// A request of 50 bytes can ask for two thousand million partitions.
func TestPartitionsAreBounded(t *testing.T) {
	_, address := open(t, t.TempDir(), "orders.placed")
	grow := kmsg.NewPtrCreatePartitionsRequest()
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = "orders.placed", 1<<30
	grow.Topics = append(grow.Topics, topic)
	var many []string
	for i := range 2_000 {
		many = append(many, fmt.Sprintf("topic-%d", i))
	}
	for _, version := range []int16{0, 3} {
		grow.SetVersion(version)
		if ask(t, address, grow) {
			t.Errorf("version %d: a topic got %d partitions", version, topic.Count)
		}
	}
	for name, r := range map[string]kmsg.Request{
		"2^30 partitions":          createTopic("big", 1<<30),
		"2,000 topics":             metadata(5, true, many...),
		"2,000 topics, old":        metadata(3, false, many...),
		"a name of 1,000 bytes":    metadata(9, true, strings.Repeat("x", 1000)),
		"a name with slashes":      createTopic("../../../x", 1),
		"a request of 1 MiB":       metadata(9, true, strings.Repeat("x", 1<<14), strings.Repeat("y", 1<<20)),
		"a name with control code": metadata(9, true, "a\x1b[31m\n"),
	} {
		if ask(t, address, r) {
			t.Errorf("%s: the request was answered", name)
		}
	}
	for round := range 3 { // together more than the maximum
		answered := ask(t, address, createTopic(fmt.Sprintf("round-%d", round), 1_500))
		if answered != (round < 2) {
			t.Errorf("1,500 partitions, time %d: answered %v", round, answered)
		}
	}
	if !ask(t, address, metadata(5, false, many...)) {
		t.Error("a question about unknown topics was refused")
	}
	if !ask(t, address, metadata(5, true, "orders.placed", "new")) {
		t.Error("a new topic was refused")
	}
	produce(t, address, "a")
	if got := consume(t, address, 1); got[0] != "a" {
		t.Errorf("consumed %q afterwards", got)
	}
}

// A topic that does not exist may be known: it was deleted, or a request for it failed.
func TestPartitionsOfKnownNamesAreBounded(t *testing.T) {
	const many = 4_001
	validate := createTopic("validated", 1).(*kmsg.CreateTopicsRequest)
	validate.ValidateOnly = true
	grow := kmsg.NewPtrCreatePartitionsRequest()
	grow.SetVersion(3)
	grown := kmsg.NewCreatePartitionsRequestTopic()
	grown.Topic, grown.Count = "grown", 1
	grow.Topics = append(grow.Topics, grown)
	drop := kmsg.NewPtrDeleteTopicsRequest()
	drop.SetVersion(3)
	drop.TopicNames = []string{"deleted", "looked-up"}

	_, address := open(t, t.TempDir(), "orders.placed")
	for _, first := range []kmsg.Request{
		createTopic("deleted", 1), metadata(5, true, "looked-up"), drop, // kfake creates, and deletes
		validate, createTopic("refused", 0), grow, // kfake creates nothing
	} {
		if !ask(t, address, first) {
			t.Fatalf("%T was refused", first)
		}
	}
	for _, name := range []string{"deleted", "looked-up", "validated", "refused", "grown", "orders.placed"} {
		if ask(t, address, createTopic(name, many)) {
			t.Errorf("%s: %d partitions were created", name, many)
		}
	}

	if !ask(t, address, createTopic("deleted", 3_900)) {
		t.Error("3,900 partitions were refused")
	}
	if ask(t, address, createTopic("validated", 1_000)) {
		t.Error("the partitions of a name that was known do not count")
	}
	for what, r := range map[string]kmsg.Request{
		"the metadata of topics that exist": metadata(5, true, "orders.placed", "deleted"),
		"a topic that exists":               createTopic("orders.placed", 3),
		"fewer partitions":                  createTopic("deleted", 10),
	} {
		if !ask(t, address, r) {
			t.Errorf("%s: refused near the limit", what)
		}
	}
}

// Topics that were deleted leave room for others, and those of an earlier run take it.
func TestPartitionsAreCountedAgain(t *testing.T) {
	dir := t.TempDir()
	b, address := open(t, dir, "orders.placed")
	if !ask(t, address, createTopic("many", 3_500)) || ask(t, address, createTopic("more", 1_000)) {
		t.Fatal("the limit is not 4,000")
	}
	b.Close()
	b, address = open(t, dir, "orders.placed")
	if ask(t, address, createTopic("more", 1_000)) {
		t.Error("the partitions of an earlier run do not count")
	}
	drop := kmsg.NewPtrDeleteTopicsRequest()
	drop.SetVersion(3)
	drop.TopicNames = []string{"many"}
	if !ask(t, address, drop) {
		t.Fatal("a topic was not deleted")
	}
	if err := b.Recount(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	if !ask(t, address, createTopic("more", 1_000)) {
		t.Error("a deleted topic takes room")
	}
}

// Each connection may announce 8 MiB of records; all of them together must not have more than
// 128 MiB, and leave as much for smaller requests.
func TestPendingRequestsAreBounded(t *testing.T) {
	_, address := open(t, t.TempDir(), "orders.placed")
	for range 2 { // the second time, the connections of the first have ended
		ended, conns := make(chan struct{}, 20), []net.Conn{}
		for range cap(ended) {
			conn := announce(t, address, kmsg.Produce, 8<<20)
			defer conn.Close()
			conns = append(conns, conn)
			go func() {
				_, _ = conn.Read(make([]byte, 1)) // refused, or closed below
				ended <- struct{}{}
			}()
		}
		for n := range 4 {
			select {
			case <-ended:
			case <-time.After(20 * time.Second):
				t.Fatalf("%d of 20 requests of 8 MiB were refused, want 4", n)
			}
		}
		select {
		case <-ended:
			t.Fatal("5 of 20 requests of 8 MiB were refused, want 4")
		case <-time.After(time.Second):
		}
		produce(t, address, "a")
		for _, conn := range conns {
			conn.Close()
		}
		time.Sleep(time.Second) // the broker reads the ends
	}
}

// announce sends the size of a request and its kind, and no more.
func announce(t *testing.T, address string, kind kmsg.Key, size uint32) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	header := binary.BigEndian.AppendUint32(nil, size)
	header = binary.BigEndian.AppendUint16(header, uint16(kind))
	if _, err := conn.Write(append(header, 0, 4)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// A few connections that announce large requests must not keep others out.
func TestRequestsAreSmall(t *testing.T) {
	_, address := open(t, t.TempDir(), "orders.placed")
	for _, c := range []struct {
		kind kmsg.Key
		size uint32
	}{{kmsg.Produce, 8<<20 + 1}, {kmsg.Produce, 100 << 20}, {kmsg.Produce, 100 << 20}, {kmsg.Produce, 56 << 20}, {kmsg.Fetch, 1<<20 + 1}, {kmsg.JoinGroup, 8 << 20}} {
		conn := announce(t, address, c.kind, c.size)
		defer conn.Close()
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v of %d bytes was not refused: %v", c.kind, c.size, err)
		}
	}
	for range 3 {
		defer announce(t, address, kmsg.Produce, 8<<20).Close()
	}
	produce(t, address, strings.Repeat("x", 900<<10))
	if got := consume(t, address, 1); len(got[0]) != 900<<10 {
		t.Errorf("consumed %d bytes", len(got[0]))
	}
}
