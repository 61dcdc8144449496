package tracestore

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
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

// remove removes identities that were added last.
func (i *identities) remove(ids []uint64) {
	for _, id := range ids {
		delete(i.active, id)
	}
}

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

// spanIdentities returns the identity of each span of a span record's payload,
// in order.
func spanIdentities(resource uint64, payload []byte) []uint64 {
	var out []uint64
	for _, rs := range appendMessages(nil, payload, fieldResourceSpans) {
		for _, ss := range appendMessages(nil, rs, fieldScopeSpans) {
			for _, span := range appendMessages(nil, ss, fieldSpans) {
				out = append(out, spanIdentity(resource, span))
			}
		}
	}
	return out
}

// spanIdentity returns the identity of a span: a hash over its encoding and its
// resource. Spans with equal span IDs that differ in any field have different
// identities.
func spanIdentity(resource uint64, span []byte) uint64 {
	var d xxhash.Digest
	d.ResetWithSeed(resource)
	_, _ = d.Write(span) // a digest never fails
	return d.Sum64()
}
