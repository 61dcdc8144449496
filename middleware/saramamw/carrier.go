package saramamw

import (
	"strings"

	"github.com/IBM/sarama"
	"go.opentelemetry.io/otel/propagation"

	"github.com/tenhop/tenhop/middleware/messaging"
)

// ownHeaders is the maximum number of headers that Set adds: traceparent,
// tracestate, baggage and x-correlation-id.
const ownHeaders = 4

var (
	_ propagation.TextMapCarrier = (*produced)(nil)
	_ propagation.TextMapCarrier = (*consumed)(nil)
)

// produced writes the headers of a message to send, under lower-case keys.
type produced struct {
	message *sarama.ProducerMessage
	owned   bool // message.Headers is a copy
	writer  messaging.HeaderWriter
}

// Get returns the last value of a header.
func (c *produced) Get(key string) string {
	for i := len(c.message.Headers) - 1; i >= 0; i-- {
		if is(c.message.Headers[i], key) {
			return string(c.message.Headers[i].Value)
		}
	}
	return ""
}

// Set replaces a header, wherever it stands more than once. It does not modify the
// caller's slice, which several messages may share.
func (c *produced) Set(key, value string) {
	if !c.owned {
		headers := make([]sarama.RecordHeader, len(c.message.Headers), len(c.message.Headers)+ownHeaders)
		copy(headers, c.message.Headers)
		c.message.Headers, c.owned = headers, true
	}
	header := sarama.RecordHeader{Key: []byte(strings.ToLower(key)), Value: []byte(value)}
	c.message.Headers = messaging.SetHeader(&c.writer, c.message.Headers, header, key, is)
}

// Keys returns the names of all headers.
func (c *produced) Keys() []string {
	keys := make([]string, len(c.message.Headers))
	for i, h := range c.message.Headers {
		keys[i] = string(h.Key)
	}
	return keys
}

// consumed reads the headers of a received message.
type consumed struct{ message *sarama.ConsumerMessage }

// Get returns the last value of a header.
func (c *consumed) Get(key string) string {
	for i := len(c.message.Headers) - 1; i >= 0; i-- {
		if h := c.message.Headers[i]; h != nil && is(*h, key) {
			return string(h.Value)
		}
	}
	return ""
}

// Set does nothing, since the headers belong to the sender.
func (c *consumed) Set(string, string) {}

// Keys returns the names of all headers.
func (c *consumed) Keys() []string {
	keys := make([]string, 0, len(c.message.Headers))
	for _, h := range c.message.Headers {
		if h != nil {
			keys = append(keys, string(h.Key))
		}
	}
	return keys
}

func is(h sarama.RecordHeader, key string) bool {
	return len(h.Key) == len(key) && strings.EqualFold(string(h.Key), key)
}
