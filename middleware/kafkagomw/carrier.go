package kafkagomw

import (
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/propagation"
)

// ownHeaders is the maximum number of headers that Set adds: traceparent,
// tracestate, baggage and x-correlation-id.
const ownHeaders = 4

// carrier reads and writes a message's headers. It writes lower-case keys.
type carrier struct {
	headers []kafka.Header
	owned   bool // headers is a copy
}

var _ propagation.TextMapCarrier = (*carrier)(nil)

// Get returns the last value of a header.
func (c *carrier) Get(key string) string {
	for i := len(c.headers) - 1; i >= 0; i-- {
		if strings.EqualFold(c.headers[i].Key, key) {
			return string(c.headers[i].Value)
		}
	}
	return ""
}

// Set replaces a header. It does not modify the caller's slice, which several
// messages may share.
func (c *carrier) Set(key, value string) {
	if !c.owned {
		headers := make([]kafka.Header, len(c.headers), len(c.headers)+ownHeaders)
		copy(headers, c.headers)
		c.headers, c.owned = headers, true
	}
	header := kafka.Header{Key: strings.ToLower(key), Value: []byte(value)}
	for i := range c.headers {
		if strings.EqualFold(c.headers[i].Key, key) {
			c.headers[i] = header
			// Get reads the last header of a name.
			c.headers = append(c.headers[:i+1], slices.DeleteFunc(c.headers[i+1:], func(h kafka.Header) bool { return strings.EqualFold(h.Key, key) })...)
			return
		}
	}
	c.headers = append(c.headers, header)
}

// Keys returns the names of all headers.
func (c *carrier) Keys() []string {
	keys := make([]string, len(c.headers))
	for i, h := range c.headers {
		keys[i] = h.Key
	}
	return keys
}
