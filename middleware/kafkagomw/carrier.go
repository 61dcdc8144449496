package kafkagomw

import (
	"strings"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/propagation"

	"github.com/tenhop/tenhop/middleware/messaging"
)

// ownHeaders is the maximum number of headers that Set adds: traceparent,
// tracestate, baggage and x-correlation-id.
const ownHeaders = 4

// carrier reads and writes a message's headers. It writes lower-case keys.
type carrier struct {
	headers []kafka.Header
	owned   bool // headers is a copy
	writer  messaging.HeaderWriter
}

var _ propagation.TextMapCarrier = (*carrier)(nil)

// Get returns the last value of a header.
func (c *carrier) Get(key string) string {
	for i := len(c.headers) - 1; i >= 0; i-- {
		if is(c.headers[i], key) {
			return string(c.headers[i].Value)
		}
	}
	return ""
}

// Set replaces a header, wherever it stands more than once. It does not modify the
// caller's slice, which several messages may share.
func (c *carrier) Set(key, value string) {
	if !c.owned {
		headers := make([]kafka.Header, len(c.headers), len(c.headers)+ownHeaders)
		copy(headers, c.headers)
		c.headers, c.owned = headers, true
	}
	header := kafka.Header{Key: strings.ToLower(key), Value: []byte(value)}
	c.headers = messaging.SetHeader(&c.writer, c.headers, header, key, is)
}

// Keys returns the names of all headers.
func (c *carrier) Keys() []string {
	keys := make([]string, len(c.headers))
	for i, h := range c.headers {
		keys[i] = h.Key
	}
	return keys
}

func is(h kafka.Header, key string) bool { return strings.EqualFold(h.Key, key) }
