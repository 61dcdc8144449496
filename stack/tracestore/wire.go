package tracestore

import "google.golang.org/protobuf/encoding/protowire"

// Field numbers of OTLP's trace.proto: TracesData.resource_spans, ResourceSpans.resource
// and scope_spans, ScopeSpans.scope and spans, and schema_url of both.
const (
	fieldResourceSpans = 1
	fieldResource      = 1
	fieldScopeSpans    = 2
	fieldScope         = 1
	fieldSpans         = 2
	fieldSchemaURL     = 3
)

// appendMessages appends the values of a repeated message field to dst. They share the
// memory of b.
func appendMessages(dst [][]byte, b []byte, field protowire.Number) [][]byte {
	for len(b) > 0 {
		value, rest, ok := next(b, field)
		if ok {
			dst = append(dst, value)
		}
		b = rest
	}
	return dst
}

// next reads the first field of b and returns the rest. It reports whether it is the given
// field and holds bytes.
func next(b []byte, field protowire.Number) (value, rest []byte, ok bool) {
	number, kind, n := protowire.ConsumeTag(b)
	if n < 0 {
		return nil, nil, false
	}
	size := protowire.ConsumeFieldValue(number, kind, b[n:])
	if size < 0 {
		return nil, nil, false
	}
	if number == field && kind == protowire.BytesType {
		value, _ = protowire.ConsumeBytes(b[n:])
		ok = true
	}
	return value, b[n+size:], ok
}

// fieldSize returns the size of all values of a field of bytes in b, with their tags.
func fieldSize(b []byte, field protowire.Number) int {
	size := 0
	for len(b) > 0 {
		value, rest, ok := next(b, field)
		if ok {
			size += bytesSize(len(value))
		}
		b = rest
	}
	return size
}

// appendFields appends all values of a field of bytes in b, with their tags.
func appendFields(dst, b []byte, field protowire.Number) []byte {
	for len(b) > 0 {
		value, rest, ok := next(b, field)
		if ok {
			dst = append(appendHead(dst, field, len(value)), value...)
		}
		b = rest
	}
	return dst
}

// bytesSize returns the size of a field of n bytes with its tag, whose number is below 16.
func bytesSize(n int) int { return 1 + protowire.SizeBytes(n) }

// appendHead appends the tag and the length of a field of n bytes.
func appendHead(dst []byte, field protowire.Number, n int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, field, protowire.BytesType), uint64(n))
}
