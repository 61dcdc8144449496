package tracestore

import (
	"github.com/cespare/xxhash/v2"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// signature is a 128-bit Bloom filter over the attributes of a span or of a
// resource, three bits each. A search by attribute reads from disk only the
// spans whose signature holds every wanted bit: with 20 attributes on a span
// about one span in 20 that does not match is read in vain.
type signature [2]uint64

func (s *signature) add(key, value string) {
	h := hashAttribute(key, value)
	for i := range 3 {
		bit := (h >> (16 * i)) & 127
		s[bit>>6] |= 1 << (bit & 63)
	}
}

func (s *signature) addMap(m pcommon.Map) {
	for k, v := range m.All() {
		s.add(k, v.AsString())
	}
}

func (s signature) has(want signature) bool {
	return s[0]&want[0] == want[0] && s[1]&want[1] == want[1]
}

func (s signature) or(o signature) signature {
	return signature{s[0] | o[0], s[1] | o[1]}
}

func hashAttribute(key, value string) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(key) // a digest never fails
	_, _ = d.Write([]byte{0})
	_, _ = d.WriteString(value)
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
