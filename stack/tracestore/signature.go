package tracestore

import (
	"strconv"

	"github.com/cespare/xxhash/v2"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// signature is a 128-bit Bloom filter over the attributes of a span or of a
// resource, with three bits per attribute. A search by attribute reads only the
// spans from disk whose signature has all the bits. With 20 attributes per span,
// about 1 in 20 spans that do not match is read as well.
type signature [2]uint64

func (s *signature) add(h uint64) {
	for i := range 3 {
		bit := (h >> (16 * i)) & 127
		s[bit>>6] |= 1 << (bit & 63)
	}
}

func (s *signature) addMap(m pcommon.Map) {
	var number [20]byte
	for k, v := range m.All() {
		switch v.Type() {
		case pcommon.ValueTypeStr:
			s.add(hashAttribute(k, v.Str()))
		case pcommon.ValueTypeInt: // as AsString, without an allocation
			s.add(hashAttribute(k, strconv.AppendInt(number[:0], v.Int(), 10)))
		default:
			s.add(hashAttribute(k, v.AsString()))
		}
	}
}

func (s signature) has(want signature) bool {
	return s[0]&want[0] == want[0] && s[1]&want[1] == want[1]
}

func (s signature) or(o signature) signature {
	return signature{s[0] | o[0], s[1] | o[1]}
}

// hashAttribute returns the hash of an attribute: of its key, a zero byte and its value.
func hashAttribute[T string | []byte](key string, value T) uint64 {
	var joined [256]byte
	if len(key)+1+len(value) <= len(joined) {
		return xxhash.Sum64(append(append(append(joined[:0], key...), 0), value...))
	}
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(key) // a digest never fails
	_, _ = d.Write([]byte{0})
	_, _ = d.Write([]byte(value))
	return d.Sum64()
}

func spanSignature(span ptrace.Span) signature {
	var s signature
	s.addMap(span.Attributes())
	for _, ev := range span.Events().All() {
		s.addMap(ev.Attributes())
	}
	return s
}
