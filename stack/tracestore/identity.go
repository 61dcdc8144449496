package tracestore

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/protobuf/encoding/protowire"
)

// identities is the set of the spans in the two newest segments. With two, a
// span that is sent again is recognised after a new segment was started. Copies
// of older spans are stored, and removed when a trace is queried.
type identities struct {
	active, previous map[uint64]struct{}
}

const identityBytes = 16 // estimated memory of one identity

func newIdentities() identities { return identities{active: map[uint64]struct{}{}} }

func (i *identities) add(id uint64) { i.active[id] = struct{}{} }

func (i *identities) has(id uint64) bool {
	_, ok := i.active[id]
	if !ok {
		_, ok = i.previous[id]
	}
	return ok
}

// roll starts a new segment.
func (i *identities) roll() { i.previous, i.active = i.active, map[uint64]struct{}{} }

func (i *identities) memory() int64 { return int64(len(i.active)+len(i.previous)) * identityBytes }

// load adds the spans of a segment, read from its file.
func (i *identities) load(seg *segment) error {
	var resources []uint64
	for off := int64(0); off < seg.size; {
		body, err := readRecord(seg.file, off)
		if err != nil {
			return err
		}
		switch {
		case body[0] == kindResource:
			resources = append(resources, hashPayload(body[1:]))
		case body[0] == kindSpans && len(body) >= spansHead:
			if ordinal := binary.LittleEndian.Uint32(body[1:]); int(ordinal) < len(resources) {
				for _, id := range spanIdentities(resources[ordinal], body[spansHead:]) {
					i.add(id)
				}
			}
		}
		off += recordHeader + int64(len(body))
	}
	return nil
}

// Field numbers of OTLP's trace.proto: TracesData.resource_spans,
// ResourceSpans.scope_spans, ScopeSpans.spans.
const (
	fieldResourceSpans = 1
	fieldScopeSpans    = 2
	fieldSpans         = 2
)

// spanIdentities returns the identity of each span of a span record's payload,
// in order: a hash over the span's encoding and its resource. Spans with equal
// span IDs that differ in any field have different identities.
func spanIdentities(resource uint64, payload []byte) []uint64 {
	var out []uint64
	for _, rs := range messages(payload, fieldResourceSpans) {
		for _, ss := range messages(rs, fieldScopeSpans) {
			for _, span := range messages(ss, fieldSpans) {
				var d xxhash.Digest
				d.ResetWithSeed(resource)
				_, _ = d.Write(span) // a digest never fails
				out = append(out, d.Sum64())
			}
		}
	}
	return out
}

// messages returns the values of a repeated message field.
func messages(b []byte, field protowire.Number) [][]byte {
	var out [][]byte
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return out
		}
		size := protowire.ConsumeFieldValue(number, kind, b[n:])
		if size < 0 {
			return out
		}
		if number == field && kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(b[n:])
			out = append(out, value)
		}
		b = b[n+size:]
	}
	return out
}
