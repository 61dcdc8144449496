package otlpspan

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
)

// Tags of protobuf fields: number and wire type
// (https://github.com/open-telemetry/opentelemetry-proto).
const (
	varint, fixed64, bytes, fixed32 = 0, 1, 2, 5

	spanTraceID           = 1<<3 | bytes
	spanSpanID            = 2<<3 | bytes
	spanTraceState        = 3<<3 | bytes
	spanParentSpanID      = 4<<3 | bytes
	spanName              = 5<<3 | bytes
	spanKind              = 6<<3 | varint
	spanStart             = 7<<3 | fixed64
	spanEnd               = 8<<3 | fixed64
	spanAttributes        = 9<<3 | bytes
	spanDroppedAttributes = 10<<3 | varint
	spanEvents            = 11<<3 | bytes
	spanDroppedEvents     = 12<<3 | varint
	spanLinks             = 13<<3 | bytes
	spanDroppedLinks      = 14<<3 | varint
	spanStatus            = 15<<3 | bytes
	spanFlags             = 16<<3 | fixed32

	statusMessage = 2<<3 | bytes
	statusCode    = 3<<3 | varint

	eventTime       = 1<<3 | fixed64
	eventName       = 2<<3 | bytes
	eventAttributes = 3<<3 | bytes
	eventDropped    = 4<<3 | varint

	linkTraceID    = 1<<3 | bytes
	linkSpanID     = 2<<3 | bytes
	linkAttributes = 4<<3 | bytes
	linkDropped    = 5<<3 | varint
	linkFlags      = 6<<3 | fixed32

	keyValueKey   = 1<<3 | bytes
	keyValueValue = 2<<3 | bytes

	anyString = 1<<3 | bytes
	anyBool   = 2<<3 | varint
	anyInt    = 3<<3 | varint
	anyDouble = 4<<3 | fixed64
	anyArray  = 5<<3 | bytes
	anyMap    = 6<<3 | bytes
	anyBytes  = 7<<3 | bytes

	listValues = 1<<3 | bytes // of ArrayValue and KeyValueList

	resourceAttributes = 1<<3 | bytes

	scopeName       = 1<<3 | bytes
	scopeVersion    = 2<<3 | bytes
	scopeAttributes = 3<<3 | bytes

	scopeSpansScope  = 1<<3 | bytes
	scopeSpansSpans  = 2<<3 | bytes
	scopeSpansSchema = 3<<3 | bytes

	resourceSpansResource   = 1<<3 | bytes
	resourceSpansScopeSpans = 2<<3 | bytes
	resourceSpansSchema     = 3<<3 | bytes
)

// sizeOf returns the size of v as a varint.
func sizeOf(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

func sizeOfString(s string) int { return sizeOf(uint64(len(s))) + len(s) }

func appendTag(b []byte, tag uint64) []byte {
	if tag < 0x80 {
		return append(b, byte(tag))
	}
	return binary.AppendUvarint(b, tag)
}

func appendVarint(b []byte, tag, v uint64) []byte {
	return binary.AppendUvarint(appendTag(b, tag), v)
}

func appendFixed64(b []byte, tag, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(appendTag(b, tag), v)
}

func appendFixed32(b []byte, tag uint64, v uint32) []byte {
	return binary.LittleEndian.AppendUint32(appendTag(b, tag), v)
}

func appendBytes[S string | []byte](b []byte, tag uint64, v S) []byte {
	return append(binary.AppendUvarint(appendTag(b, tag), uint64(len(v))), v...)
}

// appendNonEmpty leaves out an empty string and zero, as proto3 does.
func appendNonEmpty(b []byte, tag uint64, s string) []byte {
	if s == "" {
		return b
	}
	return appendBytes(b, tag, valid(s))
}

func appendNonZero(b []byte, tag uint64, n int) []byte {
	if n <= 0 {
		return b
	}
	return appendVarint(b, tag, min(uint64(n), math.MaxUint32))
}

// valid returns s as valid UTF-8, which a string of protobuf must be.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, string(utf8.RuneError))
}

// appendKeyValue appends a KeyValue as the field tag.
func appendKeyValue(b []byte, tag uint64, kv attribute.KeyValue) []byte {
	key := valid(string(kv.Key))
	switch kv.Value.Type() {
	case attribute.STRING:
		v := valid(kv.Value.AsString())
		b = appendKey(b, tag, key, 1+sizeOfString(v))
		return appendBytes(b, anyString, v)
	case attribute.INT64:
		v := uint64(kv.Value.AsInt64())
		b = appendKey(b, tag, key, 1+sizeOf(v))
		return appendVarint(b, anyInt, v)
	case attribute.BOOL:
		b = appendKey(b, tag, key, 2)
		return appendVarint(b, anyBool, boolBit(kv.Value.AsBool()))
	case attribute.FLOAT64:
		b = appendKey(b, tag, key, 9)
		return appendFixed64(b, anyDouble, math.Float64bits(kv.Value.AsFloat64()))
	}
	v := appendAny(nil, kv.Value)
	return append(appendKey(b, tag, key, len(v)), v...)
}

// appendKey appends a KeyValue up to its value, of which it appends the length.
func appendKey(b []byte, tag uint64, key string, value int) []byte {
	b = binary.AppendUvarint(appendTag(b, tag), uint64(1+sizeOfString(key)+1+sizeOf(uint64(value))+value))
	b = appendBytes(b, keyValueKey, key)
	return binary.AppendUvarint(appendTag(b, keyValueValue), uint64(value))
}

func boolBit(v bool) uint64 {
	if v {
		return 1
	}
	return 0
}

// appendAny appends the fields of an AnyValue.
func appendAny(b []byte, v attribute.Value) []byte {
	switch v.Type() {
	case attribute.EMPTY:
		return b
	case attribute.STRING:
		return appendBytes(b, anyString, valid(v.AsString()))
	case attribute.INT64:
		return appendVarint(b, anyInt, uint64(v.AsInt64()))
	case attribute.BOOL:
		return appendVarint(b, anyBool, boolBit(v.AsBool()))
	case attribute.FLOAT64:
		return appendFixed64(b, anyDouble, math.Float64bits(v.AsFloat64()))
	case attribute.BYTESLICE:
		return appendBytes(b, anyBytes, v.AsByteSlice())
	case attribute.BOOLSLICE:
		return appendBytes(b, anyArray, list(v.AsBoolSlice(), attribute.BoolValue))
	case attribute.INT64SLICE:
		return appendBytes(b, anyArray, list(v.AsInt64Slice(), attribute.Int64Value))
	case attribute.FLOAT64SLICE:
		return appendBytes(b, anyArray, list(v.AsFloat64Slice(), attribute.Float64Value))
	case attribute.STRINGSLICE:
		return appendBytes(b, anyArray, list(v.AsStringSlice(), attribute.StringValue))
	case attribute.SLICE:
		return appendBytes(b, anyArray, list(v.AsSlice(), func(v attribute.Value) attribute.Value { return v }))
	case attribute.MAP:
		var values []byte
		for _, kv := range v.AsMap() {
			values = appendKeyValue(values, listValues, kv)
		}
		return appendBytes(b, anyMap, values)
	}
	return appendBytes(b, anyString, "INVALID") // as the SDK's exporter has it
}

func list[T any](values []T, wrap func(T) attribute.Value) (b []byte) {
	for _, v := range values {
		b = appendBytes(b, listValues, appendAny(nil, wrap(v)))
	}
	return b
}
