package otlpreceiver

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"github.com/tenhop/tenhop/trace/otlp"
)

// checkJSONNesting is otlp.CheckNesting for a request in JSON.
func checkJSONNesting(b []byte) error {
	if len(b) <= otlp.HarmlessBytes {
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
			if depth++; depth > otlp.MaxNesting*perMessage {
				return otlp.ErrNesting
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
	if data.Len() > otlp.HarmlessBytes {
		if err := otlp.CheckNesting(data.Materialize()); err != nil {
			return err
		}
	}
	return c.CodecV2.Unmarshal(data, v)
}
