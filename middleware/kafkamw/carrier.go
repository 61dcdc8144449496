package kafkamw

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/propagation"
)

// carrier reads and writes record headers. It writes lower-case keys, since Kafka's
// are case-sensitive.
type carrier struct {
	record *kgo.Record
	owned  bool   // record.Headers is a copy
	state  bool   // tracestate was set
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

// Set replaces a header, wherever it stands more than once. It does not modify the caller's slice, which several
// records may share.
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
	c.dropState(key)
	for i := range c.record.Headers {
		if is(c.record.Headers[i], key) {
			c.record.Headers[i] = header
			rest := slices.DeleteFunc(c.record.Headers[i+1:], func(h kgo.RecordHeader) bool { return is(h, key) })
			c.record.Headers = c.record.Headers[:i+1+len(rest)]
			return
		}
	}
	c.record.Headers = append(c.record.Headers, header)
}

// dropState removes the tracestate that a republished record has from its former
// traceparent.
func (c *carrier) dropState(key string) {
	switch {
	case strings.EqualFold(key, "tracestate"):
		c.state = true
	case strings.EqualFold(key, "traceparent") && !c.state:
		c.record.Headers = slices.DeleteFunc(c.record.Headers, func(h kgo.RecordHeader) bool { return is(h, "tracestate") })
	}
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
