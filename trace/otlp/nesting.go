package otlp

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// MaxNesting is the maximum depth of messages within a message.
	MaxNesting = 500
	// MaxDecodedBytes is the approximate maximum size of a decoded request in memory.
	// An empty span takes two bytes in a request and hundreds in memory.
	MaxDecodedBytes = 128 << 20
	// HarmlessBytes is the size up to which a message can exhaust neither the stack nor
	// the memory. Most messages are smaller.
	HarmlessBytes = 64 << 10
)

// Errors of DecodedBytes.
var (
	// ErrNesting is returned for a message that exceeds MaxNesting.
	ErrNesting = fmt.Errorf("messages are nested deeper than %d levels", MaxNesting)
	// ErrDense is returned for a message that exceeds MaxDecodedBytes.
	ErrDense = fmt.Errorf("decoded, the message would take more than %d MiB, since its items are many and small: send fewer items per request", MaxDecodedBytes>>20)
)

// message describes a protobuf message.
type message struct {
	bytes  int      // approximate size in memory, without what its fields hold
	fields fieldSet // that hold messages
}

// fieldSet holds messages by their field number, which is looked up for every field of
// every request.
type fieldSet [14]*message

// message returns the message of a field, or nil if the field holds none.
func (f *fieldSet) message(number protowire.Number) *message {
	if int(number) >= len(f) {
		return nil
	}
	return f[number]
}

// Approximate sizes of package pdata's types, with the pointers to them.
const (
	valueBytes     = 40
	attributeBytes = 56
	itemBytes      = 300 // a span, log record or metric
	pointBytes     = 180
	smallBytes     = 120 // an event, link, exemplar or bucket
	scopeBytes     = 200
	resourceBytes  = 240
)

// request describes the export requests of all signals. A field that is a message in
// only one of them is included: the text or ID of another hardly parses as messages.
var request = func() *message {
	value, keyValue := &message{bytes: valueBytes}, &message{bytes: attributeBytes}
	value.fields = fieldSet{
		5: {fields: fieldSet{1: value}},    // AnyValue.array_value, ArrayValue.values
		6: {fields: fieldSet{1: keyValue}}, // AnyValue.kvlist_value, KeyValueList.values
	}
	keyValue.fields = fieldSet{2: value} // KeyValue.value
	exemplar := &message{smallBytes, fieldSet{7: keyValue}}
	point := &message{pointBytes, fieldSet{
		1: keyValue, 7: keyValue, 9: keyValue, // attributes
		5: exemplar, 8: exemplar, 11: exemplar,
		6: {bytes: smallBytes}, // SummaryDataPoint.quantile_values
	}}
	data := &message{smallBytes, fieldSet{1: point}}
	item := &message{itemBytes, fieldSet{
		// LogRecord.body, Metric.gauge
		5: {smallBytes, fieldSet{1: point, 5: value.fields[5], 6: value.fields[6]}},
		6: keyValue, // LogRecord.attributes
		7: data, 10: data,
		// Span.attributes, Metric.histogram
		9: {attributeBytes, fieldSet{1: point, 2: value}},
		// Span.events, Metric.summary
		11: {smallBytes, fieldSet{1: point, 3: keyValue}},
		12: keyValue,                            // Metric.metadata
		13: {smallBytes, fieldSet{4: keyValue}}, // Span.links
	}}
	scope := &message{smallBytes, fieldSet{3: keyValue}}
	resource := &message{smallBytes, fieldSet{1: keyValue}}
	of := &message{resourceBytes, fieldSet{1: resource, 2: {scopeBytes, fieldSet{1: scope, 2: item}}}}
	return &message{0, fieldSet{1: of}}
}()

// spanMessage describes a span.
var spanMessage = request.fields[1].fields[2].fields[2]

// DecodedBytes returns the approximate size in memory of a request in protobuf's
// encoding. The error is ErrNesting or ErrDense for one that exceeds MaxNesting or
// MaxDecodedBytes, unless it is harmless. The decoder has no limits: a request of 20 MB
// would exhaust the goroutine's stack, which ends the process, or gigabytes of memory.
func DecodedBytes(b []byte) (int, error) {
	n, err := decodedBytes(b, request, MaxDecodedBytes)
	if len(b) <= HarmlessBytes {
		err = nil
	}
	return n, err
}

// decodedBytes returns the approximate size of a message in memory. It is at least as
// large as the message. The error is ErrDense if the size exceeds most.
func decodedBytes(b []byte, m *message, most int) (int, error) {
	c := counter{bytes: len(b), most: most}
	err := c.add(b, m, 0)
	return c.bytes, err
}

type counter struct{ bytes, most int }

func (c *counter) add(b []byte, m *message, depth int) error {
	if depth > MaxNesting {
		return ErrNesting
	}
	if c.bytes += m.bytes; c.bytes > c.most {
		return ErrDense
	}
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil // malformed, which the decoder reports
		}
		b = b[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
				return nil
			}
			b = b[n:]
			continue
		}
		inner, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return nil
		}
		if next := m.fields.message(number); next != nil {
			if err := c.add(inner, next, depth+1); err != nil {
				return err
			}
		}
		b = b[n:]
	}
	return nil
}
