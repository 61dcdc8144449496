package tracestore

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/cespare/xxhash/v2"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/stack/otelcol"
)

// pending holds the records of one Append in the order in which they are
// written, and the updates of the index that follow.
type pending struct {
	buf     []byte
	updates []indexUpdate
	spans   []uint64 // identities of the spans, see spanIdentities
}

// indexUpdate is a record that was written and is to be indexed.
type indexUpdate struct {
	off      int64
	resource bool
	hash     uint64
	ordinal  uint32
	td       ptrace.Traces
}

// Append stores the spans of td and takes ownership of it. Spans of one trace may come
// in any order and from any number of calls. A span that is stored already is not
// stored again, so a client may retry a request whose response was lost. If Append
// returns an error, none of the spans is stored. Spans that exceed the disk space of the
// store in one call are rejected with an *otelcol.RejectedError.
func (s *Store) Append(td ptrace.Traces) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	// Before the write: an error after it would make the client send spans again
	// that are stored.
	if full := s.active.size >= s.segmentBytes; full || s.activeIsOld() {
		if err := s.roll(); err != nil && full {
			return err
		}
	}
	seg := s.active
	p, err := s.prepare(td)
	if err != nil {
		return err
	}
	if len(p.spans) == 0 {
		return nil
	}
	if n := int64(len(p.buf)); n > s.diskBytes/2 {
		return &otelcol.RejectedError{Count: len(p.spans), Reason: fmt.Sprintf("spans of %d bytes in one request exceed the disk space for traces", n)}
	}
	if err := s.expire(int64(len(p.buf))); err != nil {
		return fmt.Errorf("make room for spans: %w", err)
	}
	if err := s.write(seg, p.buf); err != nil {
		return fmt.Errorf("write spans: %w", err)
	}
	now := s.now().UnixNano()
	if seg.count == 0 {
		seg.minWritten = now
	}
	for _, u := range p.updates {
		if u.resource {
			seg.indexResource(u.off, u.hash, u.td)
		} else {
			seg.indexSpans(u.off, u.ordinal, u.td)
		}
	}
	seg.size += int64(len(p.buf))
	seg.maxWritten = now
	for _, id := range p.spans {
		s.stored.add(id)
	}
	_ = s.expire(0) // the next call tells
	return nil
}

// write writes records behind those of a segment. If it fails, it removes what it wrote;
// if that fails too, the next write does it first.
func (s *Store) write(seg *segment, records []byte) error {
	if err := seg.cut(); err != nil {
		return err
	}
	if _, err := s.ops.WriteAt(seg.file, records, seg.size); err != nil {
		if s.ops.Truncate(seg.file, seg.size) != nil {
			seg.torn = int64(len(records))
		}
		return err
	}
	return nil
}

// agesPerRetention is the number of segments over which the spans of one retention are
// spread at least: a segment is dropped as a whole.
const agesPerRetention = 8

// activeIsOld reports whether the active segment spans its part of the retention.
func (s *Store) activeIsOld() bool {
	return s.retention > 0 && s.active.count > 0 &&
		s.now().UnixNano()-s.active.minWritten > int64(s.retention)/agesPerRetention
}

// prepare groups the spans by resource, scope and trace, leaves out those that
// are stored already, and encodes each group.
func (s *Store) prepare(td ptrace.Traces) (*pending, error) {
	seg := s.active
	p := &pending{}
	fresh := map[uint64]uint32{} // resources that this call adds
	inCall := map[uint64]struct{}{}
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			if ss.Spans().Len() == 0 {
				continue
			}
			ordinal, hash, err := seg.prepareResource(p, fresh, rs, ss)
			if err != nil {
				return nil, err
			}
			for _, group := range groupByTrace(ss.Spans()) {
				start := len(p.buf)
				p.buf, err = s.appendNewSpans(p, inCall, ordinal, hash, group)
				if err != nil {
					return nil, err
				}
				if len(p.buf) > start {
					p.updates = append(p.updates, indexUpdate{off: seg.size + int64(start), ordinal: ordinal, td: group})
				}
			}
		}
	}
	return p, nil
}

// appendNewSpans appends a record of the spans of group that are not stored and
// not in inCall, and removes the others from group. Without such a span it
// appends nothing.
func (s *Store) appendNewSpans(p *pending, inCall map[uint64]struct{}, ordinal uint32, resource uint64, group ptrace.Traces) ([]byte, error) {
	start := len(p.buf)
	buf, err := appendSpansRecord(p.buf, ordinal, group)
	if err != nil {
		return p.buf, err
	}
	ids := spanIdentities(resource, buf[start+recordHeader+spansHead:])
	copies := 0
	next := 0
	spansOf(group).RemoveIf(func(ptrace.Span) bool {
		id := ids[next]
		next++
		if _, ok := inCall[id]; ok || s.stored.has(id) {
			copies++
			return true
		}
		inCall[id] = struct{}{}
		p.spans = append(p.spans, id)
		return false
	})
	switch {
	case copies == 0:
		return buf, nil
	case spansOf(group).Len() == 0:
		return buf[:start], nil
	}
	return appendSpansRecord(buf[:start], ordinal, group)
}

// prepareResource returns the ordinal and the hash of a resource and scope, and
// appends their record if the segment does not hold it.
func (s *segment) prepareResource(p *pending, fresh map[uint64]uint32, rs ptrace.ResourceSpans, ss ptrace.ScopeSpans) (ordinal uint32, hash uint64, err error) {
	td := ptrace.NewTraces()
	r := td.ResourceSpans().AppendEmpty()
	r.SetSchemaUrl(rs.SchemaUrl())
	rs.Resource().CopyTo(r.Resource())
	sc := r.ScopeSpans().AppendEmpty()
	sc.SetSchemaUrl(ss.SchemaUrl())
	ss.Scope().CopyTo(sc.Scope())

	start := len(p.buf)
	buf, err := appendResourceRecord(p.buf, td)
	if err != nil {
		return 0, 0, err
	}
	hash = hashPayload(buf[start+recordHeader+1:])
	if ordinal, ok := s.resourceOf[hash]; ok {
		return ordinal, hash, nil
	}
	if ordinal, ok := fresh[hash]; ok {
		return ordinal, hash, nil
	}
	ordinal = uint32(len(s.resources) + len(fresh))
	fresh[hash] = ordinal
	p.buf = buf
	p.updates = append(p.updates, indexUpdate{off: s.size + int64(start), resource: true, hash: hash, td: td})
	return ordinal, hash, nil
}

func hashPayload(payload []byte) uint64 { return xxhash.Sum64(payload) }

// groupByTrace moves the spans into one ptrace.Traces for each trace, in the
// order in which the traces first appear.
func groupByTrace(spans ptrace.SpanSlice) []ptrace.Traces {
	var groups []ptrace.Traces
	ordinal := map[pcommon.TraceID]int{}
	for _, span := range spans.All() {
		i, ok := ordinal[span.TraceID()]
		if !ok {
			i = len(groups)
			ordinal[span.TraceID()] = i
			td := ptrace.NewTraces()
			td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty()
			groups = append(groups, td)
		}
		span.MoveTo(spansOf(groups[i]).AppendEmpty())
	}
	return groups
}

// expire drops the oldest segments until every limit holds with n more bytes. The active
// segment always stays. It fails if there is no room because files cannot be removed; no
// further segment is dropped then.
func (s *Store) expire(n int64) error {
	left := s.removeGarbage()
	for len(s.sealed) > 0 && left == nil {
		oldest := s.sealed[0]
		memory, disk := s.usage()
		aged := s.retention > 0 && s.now().UnixNano()-oldest.maxWritten > int64(s.retention)
		if memory <= s.memoryBytes && disk+n <= s.diskBytes && !aged {
			return nil
		}
		s.sealed = s.sealed[1:]
		if len(s.sealed) == 0 {
			s.stored.previous = nil // they were in oldest
		}
		s.hidePartialTraces(oldest)
		s.dropped.Add(1)
		oldest.dropped.Store(true)
		if err := oldest.release(); err != nil {
			s.log.Warn("remove expired trace segment", "error", err)
		}
		s.garbage = append(s.garbage, oldest.path, indexPath(oldest.path))
		left = s.removeGarbage()
	}
	if _, disk := s.usage(); left != nil && disk+n > s.diskBytes {
		return left
	}
	return nil
}

// removeGarbage removes the files of dropped segments that are left: a reader has them
// open, or they could not be removed.
func (s *Store) removeGarbage() error {
	var errs []error
	s.garbage = slices.DeleteFunc(s.garbage, func(path string) bool {
		err := s.ops.Remove(path)
		if err == nil || errors.Is(err, os.ErrNotExist) {
			return true
		}
		errs = append(errs, err)
		return false
	})
	return errors.Join(errs...)
}

// hidePartialTraces removes the traces that lose spans with oldest from the
// index, so that neither a search nor a fetch returns a part of a trace.
func (s *Store) hidePartialTraces(oldest *segment) {
	for _, id := range oldest.ids {
		for _, seg := range s.segments() {
			if ordinal, ok := seg.traceOf[id]; ok {
				delete(seg.traceOf, id)
				seg.heads[ordinal] = -1
			}
		}
	}
}

func (s *Store) usage() (memory, disk int64) {
	memory = s.stored.memory()
	for _, seg := range s.segments() {
		memory += seg.memory()
		disk += seg.size + seg.torn + seg.indexBytes()
	}
	for _, path := range s.garbage {
		if info, err := os.Stat(path); err == nil {
			disk += info.Size()
		}
	}
	return memory, disk
}

// Expire drops spans older than the retention. Append does so, too; a store that
// receives nothing needs a periodic call of Expire.
func (s *Store) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if s.activeIsOld() {
		if err := s.roll(); err != nil {
			s.log.Warn("seal trace segment", "error", err)
			return
		}
	}
	if err := s.expire(0); err != nil {
		s.log.Warn("remove expired trace segments", "error", err)
	}
}
