package broker

import (
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A request that was allowed before topics are listed may be handled after it. What it may
// create counts all the same.
func TestRecountKeepsWhatIsBeingCreated(t *testing.T) {
	create := func(name string, partitions int32) kmsg.Request {
		r := kmsg.NewPtrCreateTopicsRequest()
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions = name, partitions
		r.Topics = append(r.Topics, topic)
		return r
	}
	look := kmsg.NewPtrMetadataRequest()
	look.AllowAutoTopicCreation = true
	looked := kmsg.NewMetadataRequestTopic()
	looked.Topic = kmsg.StringPtr("new")
	look.Topics = append(look.Topics, looked)

	for _, c := range []struct {
		why      string
		requests []kmsg.Request
		existing map[string]int
		listed   time.Duration // after the requests were allowed
		want     int           // partitions of the topic after the recount
	}{
		{"created after the listing", []kmsg.Request{create("new", 3_000)}, nil, time.Millisecond, 3_000},
		{"handled, and not created", []kmsg.Request{create("new", 3_000)}, nil, 2 * settleTime, 0},
		{"created from metadata after the listing", []kmsg.Request{look}, nil, time.Millisecond, 1},
		{"grows after the listing", []kmsg.Request{create("new", 3_000)}, map[string]int{"new": 2}, time.Millisecond, 3_000},
		{"handled, and did not grow", []kmsg.Request{create("new", 3_000)}, map[string]int{"new": 2}, 2 * settleTime, 2},
		{"more than was asked for", []kmsg.Request{create("new", 1)}, map[string]int{"new": 2}, time.Millisecond, 2},
		{"nobody asked", nil, map[string]int{"new": 2}, time.Millisecond, 2},
	} {
		l := newLimits(1, slog.New(slog.DiscardHandler))
		for _, r := range c.requests {
			if !l.allow(r) {
				t.Fatalf("%s: a request was refused", c.why)
			}
		}
		l.recount(c.existing, time.Now().Add(c.listed))
		if got := l.topics["new"].partitions; got != c.want {
			t.Errorf("%s: %d partitions count, want %d", c.why, got, c.want)
		}
		if room := maxPartitions - c.want; l.allow(create("other", int32(room)+1)) || !l.allow(create("other", int32(room))) {
			t.Errorf("%s: the room for others is not %d", c.why, room)
		}
	}
}

// Clients look at topics all the time, which does not keep a number of partitions that a topic
// no longer has. One that is known, was deleted and is created from metadata after the listing
// counts.
func TestRecountOfTopicsThatClientsLookAt(t *testing.T) {
	l := newLimits(3, slog.New(slog.DiscardHandler))
	look := kmsg.NewPtrMetadataRequest()
	look.AllowAutoTopicCreation = true
	for _, name := range []string{"smaller", "deleted"} {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(name)
		look.Topics = append(look.Topics, topic)
	}
	l.recount(map[string]int{"smaller": 3_000, "deleted": 3}, time.Now())
	if !l.allow(look) {
		t.Fatal("metadata was refused")
	}
	l.recount(map[string]int{"smaller": 1}, time.Now().Add(time.Millisecond))
	if smaller, deleted := l.topics["smaller"].partitions, l.topics["deleted"].partitions; smaller != 1 || deleted != 3 {
		t.Errorf("%d and %d partitions count, want 1 and 3", smaller, deleted)
	}
}
