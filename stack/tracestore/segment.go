package tracestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/stack/disk"
)

// entry is a span in the index. It has 80 bytes and no pointers, so that the
// garbage collector need not visit entries.
type entry struct {
	start    int64 // Unix nanoseconds
	duration int64 // nanoseconds
	span     uint64
	parent   uint64
	sig      signature
	off      uint32 // of the record in the segment file
	resource uint32 // ordinal in segment.resources
	trace    uint32 // ordinal in segment.ids
	prev     int32  // previous entry of the same trace in this segment, -1 for none
	name     uint32 // ordinal in segment.names
	pos      uint32 // of the span in its record
	kind     uint8  // ptrace.SpanKind
	failed   bool   // status is error
	_        [6]byte
}

const entryBytes = 80

// resource is one resource record of a segment.
type resource struct {
	off     uint32
	service uint32 // ordinal in segment.names
	sig     signature
}

// operation is a service's span name with its kind.
type operation struct {
	service, name uint32
	kind          uint8
}

// segment is a file of records with its index.
//
// Elements of entries, ids, names and resources are appended and never changed,
// so a reader may use a slice of them without the store's lock. The maps and
// heads need the lock. The entries of a sealed segment are in its index file, or
// in memory if that could not be written.
type segment struct {
	number uint64
	path   string
	file   *os.File
	ops    disk.Ops
	size   int64
	torn   int64 // bytes behind size that a failed write may have left

	entries   []entry
	count     int      // number of entries, in memory or in the index file
	index     *os.File // of a sealed segment
	indexOff  int64    // of the first entry in index
	indexSize int64    // of index
	ids       []pcommon.TraceID
	heads     []int32 // newest entry of each trace, parallel to ids
	names     []string
	resources []resource

	traceOf    map[pcommon.TraceID]uint32
	nameOf     map[string]uint32
	resourceOf map[uint64]uint32 // xxhash of the resource record's payload
	operations map[operation]struct{}
	nameBytes  int64
	minStart   int64
	maxStart   int64
	minWritten int64 // oldest append, Unix nanoseconds; that of the newest if unknown
	maxWritten int64 // newest append

	pins    atomic.Int32 // readers, plus one for the store
	dropped atomic.Bool
}

func newSegment(ops disk.Ops, number uint64, path string, file *os.File) *segment {
	s := &segment{
		ops:        ops,
		number:     number,
		path:       path,
		file:       file,
		traceOf:    map[pcommon.TraceID]uint32{},
		nameOf:     map[string]uint32{},
		resourceOf: map[uint64]uint32{},
		operations: map[operation]struct{}{},
	}
	s.pins.Store(1)
	return s
}

func segmentPath(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%012d.seg", number))
}

func createSegment(ops disk.Ops, dir string, number uint64) (*segment, error) {
	path := segmentPath(dir, number)
	f, err := ops.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create trace segment: %w", err)
	}
	return newSegment(ops, number, path, f), nil
}

func (s *segment) acquire() { s.pins.Add(1) }

// release drops a pin. The last one closes the file, and removes it if the
// segment has expired.
func (s *segment) release() error {
	if s.pins.Add(-1) > 0 {
		return nil
	}
	err := s.file.Close()
	if s.index != nil {
		err = errors.Join(err, s.index.Close())
	}
	if s.dropped.Load() {
		for _, path := range []string{s.path, indexPath(s.path)} {
			if rmErr := s.ops.Remove(path); rmErr != nil && !errors.Is(rmErr, os.ErrNotExist) {
				err = errors.Join(err, rmErr)
			}
		}
	}
	return err
}

// cut removes what a failed write left behind the records.
func (s *segment) cut() error {
	if s.torn == 0 {
		return nil
	}
	if err := s.ops.Truncate(s.file, s.size); err != nil {
		return err
	}
	s.torn = 0
	return nil
}

// indexBytes returns the size of the index file, or an estimate of what it will be.
func (s *segment) indexBytes() int64 {
	if s.index != nil {
		return s.indexSize
	}
	const perResource, perOperation, perName = 24, 9, 4
	return int64(s.count)*diskEntry + int64(len(s.ids))*20 + s.nameBytes + int64(len(s.names))*perName +
		int64(len(s.resources))*perResource + int64(len(s.operations))*perOperation
}

// memory estimates the bytes that the index of this segment holds.
func (s *segment) memory() int64 {
	const perTrace, perName, perResource, perOperation = 16 + 4 + 40, 64, 24 + 24, 32
	return int64(cap(s.entries))*entryBytes + int64(len(s.ids))*perTrace +
		s.nameBytes + int64(len(s.names))*perName +
		int64(len(s.resources))*perResource + int64(len(s.operations))*perOperation
}

func (s *segment) intern(name string) uint32 {
	if id, ok := s.nameOf[name]; ok {
		return id
	}
	id := uint32(len(s.names))
	s.names = append(s.names, name)
	s.nameOf[name] = id
	s.nameBytes += int64(len(name))
	return id
}

func (s *segment) indexResource(off int64, hash uint64, td ptrace.Traces) {
	rs := td.ResourceSpans().At(0)
	var sig signature
	sig.addMap(rs.Resource().Attributes())
	sig.addMap(rs.ScopeSpans().At(0).Scope().Attributes())
	s.resourceOf[hash] = uint32(len(s.resources))
	s.resources = append(s.resources, resource{
		off:     uint32(off),
		service: s.intern(serviceName(rs.Resource())),
		sig:     sig,
	})
}

func (s *segment) indexSpan(off int64, res uint32, pos int, span ptrace.Span) {
	id := span.TraceID()
	ordinal, ok := s.traceOf[id]
	if !ok {
		ordinal = uint32(len(s.ids))
		s.traceOf[id] = ordinal
		s.ids = append(s.ids, id)
		s.heads = append(s.heads, -1)
	}
	e := entry{
		start:    int64(span.StartTimestamp()),
		duration: spanDuration(span),
		span:     spanKey(span.SpanID()),
		parent:   spanKey(span.ParentSpanID()),
		sig:      spanSignature(span),
		off:      uint32(off),
		resource: res,
		trace:    ordinal,
		prev:     s.heads[ordinal],
		name:     s.intern(span.Name()),
		pos:      uint32(pos),
		kind:     uint8(span.Kind()),
		failed:   span.Status().Code() == ptrace.StatusCodeError,
	}
	s.heads[ordinal] = int32(len(s.entries))
	s.operations[operation{s.resources[res].service, e.name, e.kind}] = struct{}{}
	if s.count == 0 || e.start < s.minStart {
		s.minStart = e.start
	}
	if s.count == 0 || e.start > s.maxStart {
		s.maxStart = e.start
	}
	s.entries = append(s.entries, e)
	s.count++
}

// scan rebuilds the index from the records and returns the size of the valid
// part of the file.
func (s *segment) scan() (int64, error) {
	var off int64
	for {
		body, err := readRecord(s.file, off)
		if errors.Is(err, io.EOF) || errors.Is(err, errTorn) {
			return off, nil
		}
		if err != nil {
			return off, err
		}
		kind, res, td, err := decodeBody(body)
		switch {
		case err != nil:
			return off, nil
		case kind == kindResource && wellFormed(td):
			s.indexResource(off, hashPayload(body[1:]), td)
		case kind == kindSpans && wellFormed(td) && int(res) < len(s.resources):
			for pos, span := range spansOf(td).All() {
				s.indexSpan(off, res, pos, span)
			}
		default:
			return off, nil
		}
		off += recordHeader + int64(len(body))
	}
}

// load reads a span record and returns its spans with their resource and scope.
func (s *segment) load(off, res uint32, resources []resource) (ptrace.Traces, error) {
	body, err := readRecord(s.file, int64(off))
	if err != nil {
		return ptrace.Traces{}, fmt.Errorf("%s at %d: %w", s.path, off, err)
	}
	_, _, td, err := decodeBody(body)
	if err != nil || !wellFormed(td) {
		return ptrace.Traces{}, fmt.Errorf("%s at %d: %w", s.path, off, errors.Join(errTorn, err))
	}
	body, err = readRecord(s.file, int64(resources[res].off))
	if err != nil {
		return ptrace.Traces{}, fmt.Errorf("%s at %d: %w", s.path, resources[res].off, err)
	}
	_, _, rd, err := decodeBody(body)
	if err != nil || !wellFormed(rd) {
		return ptrace.Traces{}, fmt.Errorf("%s at %d: %w", s.path, resources[res].off, errors.Join(errTorn, err))
	}
	spansOf(td).MoveAndAppendTo(spansOf(rd))
	return rd, nil
}

func wellFormed(td ptrace.Traces) bool {
	return td.ResourceSpans().Len() == 1 && td.ResourceSpans().At(0).ScopeSpans().Len() == 1
}

func spansOf(td ptrace.Traces) ptrace.SpanSlice {
	return td.ResourceSpans().At(0).ScopeSpans().At(0).Spans()
}

func spanKey(id pcommon.SpanID) uint64 { return binary.BigEndian.Uint64(id[:]) }

// spanDuration returns the duration of a span, or 0 if it ends before it starts.
func spanDuration(span ptrace.Span) int64 {
	if span.EndTimestamp() < span.StartTimestamp() {
		return 0
	}
	return int64(span.EndTimestamp() - span.StartTimestamp())
}

func serviceName(r pcommon.Resource) string {
	if v, ok := r.Attributes().Get("service.name"); ok {
		return v.AsString()
	}
	return ""
}
