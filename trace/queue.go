package trace

import (
	"strconv"
	"time"
)

// Kinds of Queue.
const (
	Topic  = "topic"  // a record between its producer and its consumer
	Outbox = "outbox" // an event between the request that caused it and its publication
)

// queueWaitKey is the attribute in which the middleware records the queue wait of a
// message, in milliseconds.
const queueWaitKey = "hop.queue_wait_ms"

// Queue is the time that a message or event waited before a span, in offsets from
// the tree's Origin.
type Queue struct {
	Kind     string // Topic or Outbox
	From, To time.Duration
}

// Took returns the length of the wait.
func (q Queue) Took() time.Duration { return q.To - q.From }

// Queue returns the wait before a span, and whether there was one. A consumer's message
// waits in its topic from the end of the producer's span. An event that is published
// after its parent ended waits in an outbox from that end. If the consumer recorded the
// wait in hop.queue_wait_ms, that value is used.
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
