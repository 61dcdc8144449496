package tracestore

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/stack/otelcol"
)

// pending holds the records of one Append in the order in which they are
// written, and the updates of the index that follow.
type pending struct {
	buf     []byte
	updates []indexUpdate
	ids     []uint64 // identities of the spans, see identities
}

// indexUpdate is a record that was written and is to be indexed.
type indexUpdate struct {
	off      int64
	ordinal  uint32        // of the resource of the spans
	spans    []ptrace.Span // nil for a resource
	hash     uint64        // of the resource
	resource ptrace.Traces
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
	p, err := s.prepare(td)
	if err == nil && len(p.ids) > 0 {
		err = s.commit(p)
	}
	if err != nil {
		s.stored.remove(p.ids)
	}
	s.room.keep(p.buf)
	return err
}

// commit writes and indexes the records of an Append.
func (s *Store) commit(p *pending) error {
	seg := s.active
	if n := int64(len(p.buf)); n > s.diskBytes/2 {
		return &otelcol.RejectedError{Count: len(p.ids), Reason: fmt.Sprintf("spans of %d bytes in one request exceed the disk space for traces", n)}
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
		if u.spans == nil {
			seg.indexResource(u.off, u.hash, u.resource)
		}
		for pos, span := range u.spans {
			seg.indexSpan(u.off, u.ordinal, pos, span)
		}
	}
	seg.size += int64(len(p.buf))
	seg.maxWritten = now
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
