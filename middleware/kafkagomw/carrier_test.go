package kafkagomw

import (
	"testing"

	"github.com/segmentio/kafka-go"
)

// A message that goes on with the headers it came with has one of each, the sender's own.
func TestRepublishedHeaders(t *testing.T) {
	c := &carrier{headers: []kafka.Header{
		{Key: "traceparent", Value: []byte("a")}, {Key: "k", Value: []byte("1")}, {Key: "tracestate", Value: []byte("old=1")},
		{Key: "Traceparent", Value: []byte("b")}, {Key: "k", Value: []byte("2")},
	}}
	shared := c.headers
	c.Set("traceparent", "new")
	if len(c.headers) != 3 || string(c.headers[0].Value) != "new" || string(c.headers[1].Value) != "1" || string(c.headers[2].Value) != "2" {
		t.Errorf("headers %v", c.headers)
	}
	c.Set("tracestate", "own=1")
	c.Set("traceparent", "again")
	if c.Get("tracestate") != "own=1" || c.Get("traceparent") != "again" {
		t.Errorf("headers %v", c.headers)
	}
	if len(shared) != 5 || string(shared[0].Value) != "a" || string(shared[3].Value) != "b" {
		t.Errorf("the caller's headers are %v", shared)
	}
}
