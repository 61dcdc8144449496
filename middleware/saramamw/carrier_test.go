package saramamw

import (
	"testing"

	"github.com/IBM/sarama"
)

// A message that goes on with the headers it came with has one of each, the sender's own.
func TestRepublishedHeaders(t *testing.T) {
	r := &sarama.ProducerMessage{Headers: []sarama.RecordHeader{
		{Key: []byte("traceparent"), Value: []byte("a")}, {Key: []byte("k"), Value: []byte("1")}, {Key: []byte("tracestate"), Value: []byte("old=1")},
		{Key: []byte("Traceparent"), Value: []byte("b")}, {Key: []byte("k"), Value: []byte("2")},
	}}
	shared := r.Headers
	c := &produced{message: r}
	c.Set("traceparent", "new")
	if len(r.Headers) != 3 || string(r.Headers[0].Value) != "new" || string(r.Headers[1].Value) != "1" || string(r.Headers[2].Value) != "2" {
		t.Errorf("headers %v", r.Headers)
	}
	c.Set("tracestate", "own=1")
	c.Set("traceparent", "again")
	if c.Get("tracestate") != "own=1" || c.Get("traceparent") != "again" {
		t.Errorf("headers %v", r.Headers)
	}
	if len(shared) != 5 || string(shared[0].Value) != "a" || string(shared[3].Value) != "b" {
		t.Errorf("the caller's headers are %v", shared)
	}
}
