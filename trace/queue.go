package trace

import (
	"strconv"
	"time"
)

// Kinds of Queue.
const (
	Topic  = "topic"  // a record between its producer and its consumer
	Outbox = "outbox" // an event between the request that caused it and its sending
)

// queueWaitKey is the attribute in which the middleware notes how long a record
// was in its topic, in milliseconds.
const queueWaitKey = "hop.queue_wait_ms"

// Queue is a wait before a span, in offsets from the tree's origin.
type Queue struct {
	Kind     string // Topic or Outbox
	From, To time.Duration
}

// Took returns the length of the wait.
func (q Queue) Took() time.Duration { return q.To - q.From }

// Queue returns the wait between a span and its parent: a consumer's record was in
// its topic, an event that was sent after its cause had ended was in an outbox.
// The wait that the consumer measured itself is preferred to what spans tell.
func (t *Tree) Queue(i int) (Queue, bool) {
	n, s := &t.nodes[i], &t.trace.Spans[i]
	if n.parent == None {
		return Queue{}, false
	}
	p := &t.nodes[n.parent]
	q := Queue{From: p.end, To: n.start}
	switch s.Kind {
	case Consumer:
		q.Kind = Topic
		if ms, err := strconv.ParseFloat(s.Attributes[queueWaitKey], 64); err == nil && ms >= 0 {
			q.From = p.start
			if wait := ms * float64(time.Millisecond); wait < float64(n.start-p.start) {
				q.From = n.start - time.Duration(wait)
			}
		}
	case Producer:
		q.Kind = Outbox
	default:
		return Queue{}, false
	}
	return q, q.From < q.To
}
