package otlpreceiver

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// maxNesting is the maximum depth of messages in a request.
	maxNesting = 500
	// harmlessBytes is the size up to which a request cannot exhaust the stack,
	// whatever its nesting. Most requests are smaller.
	harmlessBytes = 64 << 10
)

var errNesting = fmt.Errorf("messages are nested deeper than %d levels", maxNesting)

// message describes a protobuf message by its fields that are messages.
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

// checkNesting returns errNesting for a request in protobuf's encoding that
// exceeds maxNesting. The decoder is recursive without a limit: a request of
// 20 MB would exhaust the goroutine's stack, which ends the process.
func checkNesting(b []byte) error {
	if len(b) > harmlessBytes && !nests(b, request, 0) {
		return errNesting
	}
	return nil
}

// nests reports whether b is at most maxNesting messages deep.
func nests(b []byte, m message, depth int) bool {
	if depth > maxNesting {
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

// checkJSONNesting is checkNesting for a request in JSON.
func checkJSONNesting(b []byte) error {
	if len(b) <= harmlessBytes {
		return nil
	}
	const perMessage = 3 // {"arrayValue":{"values":[
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxNesting*perMessage {
				return errNesting
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// nestingCodec adds the limit on nesting to the codec that package pdata
// registers.
type nestingCodec struct{ encoding.CodecV2 }

// Unmarshal implements encoding.CodecV2.
func (c nestingCodec) Unmarshal(data mem.BufferSlice, v any) error {
	if data.Len() > harmlessBytes {
		if err := checkNesting(data.Materialize()); err != nil {
			return err
		}
	}
	return c.CodecV2.Unmarshal(data, v)
}
