package kafkamw

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/propagation"

	"github.com/tenhop/tenhop/middleware/messaging"
)

// carrier reads and writes record headers. It writes lower-case keys, since Kafka's
// are case-sensitive.
type carrier struct {
	record *kgo.Record
	owned  bool // record.Headers is a copy
	writer messaging.HeaderWriter
	values []byte // buffer of the values that Set writes
}

var _ propagation.TextMapCarrier = (*carrier)(nil)

// Get returns the last value of a header.
func (c *carrier) Get(key string) string {
	for i := len(c.record.Headers) - 1; i >= 0; i-- {
		if h := &c.record.Headers[i]; is(*h, key) {
			return string(h.Value)
		}
	}
	return ""
}

// ownHeaders is the maximum number of headers that Set adds: traceparent,
// tracestate, baggage and x-correlation-id.
const ownHeaders = 4

// ownBytes is about the total length of their values.
const ownBytes = 320

// Set replaces a header, wherever it stands more than once. It does not modify the
// caller's slice, which several records may share.
func (c *carrier) Set(key, value string) {
	if !c.owned {
		headers := make([]kgo.RecordHeader, len(c.record.Headers), len(c.record.Headers)+ownHeaders)
		copy(headers, c.record.Headers)
		c.record.Headers, c.owned = headers, true
	}
	if cap(c.values)-len(c.values) < len(value) {
		c.values = make([]byte, 0, max(len(value), ownBytes))
	}
	start := len(c.values)
	c.values = append(c.values, value...)
	header := kgo.RecordHeader{Key: strings.ToLower(key), Value: c.values[start:len(c.values):len(c.values)]}
	c.record.Headers = messaging.SetHeader(&c.writer, c.record.Headers, header, key, is)
}

func is(h kgo.RecordHeader, key string) bool {
	return len(h.Key) == len(key) && strings.EqualFold(h.Key, key)
}

// Keys returns the names of all headers.
func (c *carrier) Keys() []string {
	keys := make([]string, len(c.record.Headers))
	for i, h := range c.record.Headers {
		keys[i] = h.Key
	}
	return keys
}
