package amqpmw

import (
	"maps"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A message that goes on with the headers it came with has one of each, the sender's own,
// and no tracestate of its former trace.
func TestRepublishedHeaders(t *testing.T) {
	former := amqp.Table{"traceparent": "a", "Traceparent": "b", "Tracestate": "old=1", "k": "1"}
	c := &carrier{headers: copied(former)}
	c.Set("traceparent", "new")
	if want := (amqp.Table{"traceparent": "new", "k": "1"}); !maps.Equal(c.headers, want) {
		t.Errorf("headers %v, want %v", c.headers, want)
	}
	c.Set("tracestate", "own=1")
	c.Set("traceparent", "again")
	if want := (amqp.Table{"traceparent": "again", "tracestate": "own=1", "k": "1"}); !maps.Equal(c.headers, want) {
		t.Errorf("headers %v, want %v", c.headers, want)
	}
	if len(former) != 4 {
		t.Errorf("the caller's headers are %v", former)
	}
}
