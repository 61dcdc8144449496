package otlpreceiver

import "github.com/tenhop/tenhop/trace/otlp"

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

// decodedJSON is otlp.DecodedBytes for a request in JSON.
func decodedJSON(b []byte) (int, error) {
	const perMessage = 3 // {"arrayValue":{"values":[
	harmless := len(b) <= otlp.HarmlessBytes
	depth, bytes, quoted := 0, len(b), false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > otlp.MaxNesting*perMessage && !harmless {
				return bytes, otlp.ErrNesting
			}
			if c == '{' {
				bytes += objectBytes(depth)
			}
			if bytes > otlp.MaxDecodedBytes {
				return bytes, otlp.ErrDense
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return bytes, nil
}
