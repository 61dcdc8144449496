package broker

import (
	"log/slog"
	"maps"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxPartitions is the maximum number of partitions of all topics, what Kafka recommends for
// a broker. Each takes memory, and topics that somebody invented look like others.
const maxPartitions = 4_000

// settleTime is more than the time from when a request is allowed until kfake queues it. It
// waits for no other request of its connection.
const settleTime = 5 * time.Second

// topicName matches the names that Kafka accepts.
var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// limits holds what all connections share.
type limits struct {
	pending     atomic.Int64 // bytes of requests that are being read or not answered
	sending     atomic.Int64 // bytes of responses that are being written
	connections atomic.Int64
	partitions  int // of a topic that is created without a number
	log         *slog.Logger

	mu     sync.Mutex
	topics map[string]topicSize
	warned time.Time
}

// topicSize is the maximum number of partitions of a topic. It may not exist: a request that
// was allowed may have failed, and topics are deleted.
type topicSize struct {
	partitions int
	asked      time.Time // when a request that may create it was allowed
	sized      time.Time // when one was allowed that may change the number of its partitions
}

func newLimits(partitions int32, log *slog.Logger) *limits {
	return &limits{partitions: int(partitions), log: log, topics: map[string]topicSize{}}
}

// allow tells whether the partitions that a request may create are within the limit, and
// counts them. A topic counts with the most that was asked for, until the next recount.
// Clients ask for the metadata of topics that exist all the time, so that adds nothing to a
// topic that is known. If it was deleted, Metadata creates it again with the default number
// of partitions, which may be more than it counts with until the next recount.
func (l *limits) allow(request kmsg.Request) bool {
	asked := map[string]int{}
	switch r := request.(type) {
	case *kmsg.MetadataRequest:
		if r.Version >= 4 && !r.AllowAutoTopicCreation {
			return true
		}
		for _, t := range r.Topics {
			if t.Topic != nil {
				asked[*t.Topic] = l.partitions
			}
		}
	case *kmsg.CreateTopicsRequest:
		for _, t := range r.Topics {
			asked[t.Topic] = max(int(t.NumPartitions), len(t.ReplicaAssignment))
			if asked[t.Topic] < 1 {
				asked[t.Topic] = l.partitions
			}
		}
	case *kmsg.CreatePartitionsRequest:
		for _, t := range r.Topics {
			asked[t.Topic] = int(t.Count)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	total := 0
	for _, t := range l.topics {
		total += t.partitions
	}
	_, metadata := request.(*kmsg.MetadataRequest)
	more, sizes, now := 0, map[string]topicSize{}, time.Now()
	for name, n := range asked {
		known, exists := l.topics[name]
		switch {
		case n < 1 && !exists: // nothing is created
		case exists && metadata:
			sizes[name] = topicSize{known.partitions, now, known.sized}
		case n <= known.partitions:
			sizes[name] = topicSize{known.partitions, now, now}
		case !topicName.MatchString(name):
			l.warn(closed+"the name of a topic has up to 249 letters, digits and ._-", "bytes", len(name))
			return false
		default:
			more += n - known.partitions
			sizes[name] = topicSize{n, now, now}
		}
	}
	if more > 0 && total+more > maxPartitions {
		l.warn(closed+"a client asked for more partitions than this broker creates; delete topics that nobody needs", "partitions", total+more, "maximum", maxPartitions)
		return false
	}
	maps.Copy(l.topics, sizes)
	return true
}

// recount replaces what is known of topics by the partitions that existed at a time. It keeps
// what requests may have changed since, or shortly before: kfake may have handled them after
// it listed the topics.
func (l *limits) recount(existing map[string]int, at time.Time) {
	settled := at.Add(-settleTime)
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, t := range l.topics {
		if _, ok := existing[name]; !ok && t.asked.Before(settled) {
			delete(l.topics, name)
		}
	}
	for name, n := range existing {
		t := l.topics[name]
		if t.sized.Before(settled) || t.partitions < n {
			t.partitions = n
		}
		l.topics[name] = t
	}
}

// closed begins messages.
const closed = "the connection of a client was closed: "

// warn logs at most once per minute. l.mu is held.
func (l *limits) warn(message string, args ...any) {
	if time.Since(l.warned) > time.Minute {
		l.warned = time.Now()
		l.log.Warn(message, args...)
	}
}

// say is warn for callers that do not hold l.mu.
func (l *limits) say(message string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.warn(message, args...)
}
