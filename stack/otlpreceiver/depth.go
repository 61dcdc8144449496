package otlpreceiver

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"github.com/tenhop/tenhop/trace/otlp"
)

// Approximate sizes of decoded JSON objects, in bytes.
const (
	resourceBytes = 240
	scopeBytes    = 200
	itemBytes     = 300 // a span, log record or metric
	otherBytes    = 100
)

// objectBytes returns the approximate size of an object at a depth of objects and arrays:
// {"resourceSpans":[{"scopeSpans":[{"spans":[{ are seven.
func objectBytes(depth int) int {
	switch depth {
	case 1:
		return 0
	case 3:
		return resourceBytes
	case 5:
		return scopeBytes
	case 7:
		return itemBytes
	}
	return otherBytes
}

// checkJSON is otlp.Check for a request in JSON.
func checkJSON(b []byte) error {
	if len(b) <= otlp.HarmlessBytes {
		return nil
	}
	const perMessage = 3 // {"arrayValue":{"values":[
	depth, bytes, quoted := 0, len(b), false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > otlp.MaxNesting*perMessage {
				return otlp.ErrNesting
			}
			if c == '{' {
				bytes += objectBytes(depth)
			}
			if bytes > otlp.MaxDecodedBytes {
				return otlp.ErrDense
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// checkingCodec adds otlp.Check to the codec that package pdata registers.
type checkingCodec struct{ encoding.CodecV2 }

// Unmarshal implements encoding.CodecV2.
func (c checkingCodec) Unmarshal(data mem.BufferSlice, v any) error {
	if data.Len() > otlp.HarmlessBytes {
		if err := otlp.Check(data.Materialize()); err != nil {
			return err
		}
	}
	return c.CodecV2.Unmarshal(data, v)
}
