package kafkamw

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A record that goes on with the headers it came with has one of each, the sender's own.
func TestRepublishedHeaders(t *testing.T) {
	r := &kgo.Record{Headers: []kgo.RecordHeader{
		{Key: "traceparent", Value: []byte("a")}, {Key: "k", Value: []byte("1")}, {Key: "tracestate", Value: []byte("old=1")},
		{Key: "Traceparent", Value: []byte("b")}, {Key: "k", Value: []byte("2")},
	}}
	shared := r.Headers
	c := &carrier{record: r}
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
