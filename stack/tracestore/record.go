package tracestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"go.opentelemetry.io/collector/pdata/ptrace"
)

// A record on disk:
//
//	uint32 length of body | uint32 CRC-32C of body | body
//
// The body's first byte is its kind. A resource body is followed by the OTLP
// protobuf of one ResourceSpans with one ScopeSpans and no span; a span body
// by the uint32 ordinal of its resource record in the segment and the OTLP
// protobuf of the spans alone.
const (
	recordHeader   = 8
	spansHead      = 5 // kind and ordinal, before the protobuf
	kindResource   = byte('R')
	kindSpans      = byte('S')
	maxRecordBytes = 64 << 20 // larger than any export the receivers accept
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errTorn    = errors.New("torn record")
)

// appendResourceRecord appends the record of a resource and scope, given the encodings of
// a ResourceSpans and of one of its ScopeSpans. The spans in them are left out. The fields
// are in the order of pdata's marshaler, because the hash of the encoding is part of the
// identities of spans, also of those that an earlier version has stored.
func appendResourceRecord(dst, rs, ss []byte) ([]byte, error) {
	start := len(dst)
	dst = append(dst, make([]byte, recordHeader)...)
	dst = append(dst, kindResource)
	inScope := fieldSize(ss, fieldScope) + fieldSize(ss, fieldSchemaURL)
	inResource := fieldSize(rs, fieldResource) + bytesSize(inScope) + fieldSize(rs, fieldSchemaURL)
	dst = appendHead(dst, fieldResourceSpans, inResource)
	dst = appendFields(dst, rs, fieldSchemaURL)
	dst = appendHead(dst, fieldScopeSpans, inScope)
	dst = appendFields(dst, ss, fieldSchemaURL)
	dst = appendFields(dst, ss, fieldScope)
	dst = appendFields(dst, rs, fieldResource)
	return finishRecord(dst, start)
}

// appendSpansRecord appends the record of spans of one trace, given their encodings.
func appendSpansRecord(dst []byte, resource uint32, spans [][]byte) ([]byte, error) {
	start := len(dst)
	dst = append(dst, make([]byte, recordHeader)...)
	dst = append(dst, kindSpans)
	dst = binary.LittleEndian.AppendUint32(dst, resource)
	size := 0
	for _, span := range spans {
		size += bytesSize(len(span))
	}
	dst = appendHead(dst, fieldResourceSpans, bytesSize(size))
	dst = appendHead(dst, fieldScopeSpans, size)
	for _, span := range spans {
		dst = append(appendHead(dst, fieldSpans, len(span)), span...)
	}
	return finishRecord(dst, start)
}

// finishRecord sets the header of the record that begins at start.
func finishRecord(dst []byte, start int) ([]byte, error) {
	body := dst[start+recordHeader:]
	if len(body) > maxRecordBytes {
		return dst[:start], fmt.Errorf("record of %d bytes is over the limit of %d", len(body), maxRecordBytes)
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(body)))
	binary.LittleEndian.PutUint32(dst[start+4:], crc32.Checksum(body, castagnoli))
	return dst, nil
}

// readRecord returns the body of the record at off. It returns io.EOF at the end
// of the file and errTorn if there is no complete record.
func readRecord(r io.ReaderAt, off int64) ([]byte, error) {
	var head [recordHeader]byte
	n, err := r.ReadAt(head[:], off)
	if n == 0 && errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if n < recordHeader {
		return nil, errTorn
	}
	size := binary.LittleEndian.Uint32(head[:])
	if size == 0 || size > maxRecordBytes {
		return nil, errTorn
	}
	body := make([]byte, size)
	if n, _ := r.ReadAt(body, off+recordHeader); n < int(size) {
		return nil, errTorn
	}
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		return nil, errTorn
	}
	return body, nil
}

func decodeBody(body []byte) (kind byte, resource uint32, td ptrace.Traces, err error) {
	switch {
	case len(body) >= 1 && body[0] == kindResource:
		td, err = (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(body[1:])
		return kindResource, 0, td, err
	case len(body) >= spansHead && body[0] == kindSpans:
		td, err = (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(body[spansHead:])
		return kindSpans, binary.LittleEndian.Uint32(body[1:]), td, err
	}
	return 0, 0, ptrace.Traces{}, errTorn
}
