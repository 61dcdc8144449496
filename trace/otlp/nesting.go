package otlp

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// MaxNesting is the maximum depth of messages within a message.
	MaxNesting = 500
	// HarmlessBytes is the size up to which a message cannot exhaust the stack,
	// whatever its nesting. Most messages are smaller.
	HarmlessBytes = 64 << 10
)

// ErrNesting is returned for a message that exceeds MaxNesting.
var ErrNesting = fmt.Errorf("messages are nested deeper than %d levels", MaxNesting)

// message describes a protobuf message: its fields that hold messages.
type message map[protowire.Number]message

// request describes trace and log export requests, as far as they lead to nested
// values. A field that is a message in only one of them is included: the text or
// ID of the other does not parse as a deep message.
var request = func() message {
	value, keyValue := message{}, message{}
	value[5] = message{1: value}    // AnyValue.array_value, ArrayValue.values
	value[6] = message{1: keyValue} // AnyValue.kvlist_value, KeyValueList.values
	keyValue[2] = value             // KeyValue.value
	item := message{
		5: value, 6: keyValue, // LogRecord.body, LogRecord.attributes
		9:  keyValue,             // Span.attributes
		11: message{3: keyValue}, // Span.events, Event.attributes
		13: message{4: keyValue}, // Span.links, Link.attributes
	}
	resource, scope := message{1: keyValue}, message{3: keyValue}
	return message{1: message{1: resource, 2: message{1: scope, 2: item}}}
}()

// CheckNesting returns ErrNesting for a request in protobuf's encoding that
// exceeds MaxNesting. The decoder is recursive without a limit: a request of
// 20 MB would exhaust the goroutine's stack, which ends the process.
func CheckNesting(b []byte) error {
	if len(b) > HarmlessBytes && !nests(b, request, 0) {
		return ErrNesting
	}
	return nil
}

// nests reports whether b is at most MaxNesting messages deep.
func nests(b []byte, m message, depth int) bool {
	if depth > MaxNesting {
		return false
	}
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return true // malformed, which the decoder reports
		}
		b = b[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
				return true
			}
			b = b[n:]
			continue
		}
		inner, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return true
		}
		if next, ok := m[number]; ok && !nests(inner, next, depth+1) {
			return false
		}
		b = b[n:]
	}
	return true
}
