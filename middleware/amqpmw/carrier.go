package amqpmw

import (
	"maps"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/propagation"
)

// carrier reads and writes a message's headers. It writes lower-case keys.
type carrier struct {
	headers amqp.Table
	state   bool // Set has written tracestate
}

var _ propagation.TextMapCarrier = (*carrier)(nil)

// Get returns the value of a header, or "" when it is not text.
func (c *carrier) Get(key string) string {
	if v, ok := c.headers[key]; ok {
		return text(v)
	}
	for k, v := range c.headers { // written by others
		if strings.EqualFold(k, key) {
			return text(v)
		}
	}
	return ""
}

func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

// Set replaces a header. With traceparent it removes the tracestate that a republished
// message has from its former traceparent.
func (c *carrier) Set(key, value string) {
	lower := strings.ToLower(key)
	switch {
	case lower == "tracestate":
		c.state = true
	case lower == "traceparent" && !c.state:
		c.remove("tracestate")
	}
	c.remove(lower)
	c.headers[lower] = value
}

// remove removes a header in any case.
func (c *carrier) remove(key string) {
	for k := range c.headers {
		if strings.EqualFold(k, key) {
			delete(c.headers, k)
		}
	}
}

// Keys returns the names of all headers.
func (c *carrier) Keys() []string {
	keys := make([]string, 0, len(c.headers))
	for k := range c.headers {
		keys = append(keys, k)
	}
	return keys
}

// headerTime is the header of the time of publication, in milliseconds since 1970.
// The property timestamp has whole seconds. RabbitMQ's interceptor
// set_header_timestamp writes the same header.
const headerTime = "timestamp_in_ms"

// ownHeaders is the maximum number of headers added to a message: traceparent,
// tracestate, baggage, x-correlation-id and headerTime.
const ownHeaders = 5

// copied returns a copy of the headers, with capacity for further ones. Several
// messages may share the caller's table.
func copied(headers amqp.Table) amqp.Table {
	own := make(amqp.Table, len(headers)+ownHeaders)
	maps.Copy(own, headers)
	return own
}

// published returns when a message was published. It uses headerTime unless that is
// in another second than the timestamp.
func published(d *amqp.Delivery) time.Time {
	ms, ok := d.Headers[headerTime].(int64)
	if !ok {
		return d.Timestamp
	}
	precise := time.UnixMilli(ms)
	if !d.Timestamp.IsZero() && precise.Unix() != d.Timestamp.Unix() {
		return d.Timestamp
	}
	return precise
}
