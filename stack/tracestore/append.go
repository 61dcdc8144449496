package tracestore

import (
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
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
// returns an error, none of the spans is stored.
func (s *Store) Append(td ptrace.Traces) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	// Before the write: an error after it would make the client send spans again
	// that are stored.
	if s.active.size >= s.segmentBytes {
		if err := s.roll(); err != nil {
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
	if _, err := seg.file.WriteAt(p.buf, seg.size); err != nil {
		_ = seg.file.Truncate(seg.size) // best effort: a scan stops at a torn record anyway
		return fmt.Errorf("write spans: %w", err)
	}
	for _, u := range p.updates {
		if u.resource {
			seg.indexResource(u.off, u.hash, u.td)
		} else {
			seg.indexSpans(u.off, u.ordinal, u.td)
		}
	}
	seg.size += int64(len(p.buf))
	seg.maxWritten = s.now().UnixNano()
	for _, id := range p.spans {
		s.stored.add(id)
	}
	s.expire()
	return nil
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

// expire drops the oldest segments until every limit holds. The active segment
// always stays.
func (s *Store) expire() {
	for len(s.sealed) > 0 {
		oldest := s.sealed[0]
		memory, disk := s.usage()
		aged := s.retention > 0 && s.now().UnixNano()-oldest.maxWritten > int64(s.retention)
		if memory <= s.memoryBytes && disk <= s.diskBytes && !aged {
			return
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
	}
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
		disk += seg.size
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
	if s.active.count > 0 && s.retention > 0 &&
		s.now().Sub(time.Unix(0, s.active.maxWritten)) > s.retention {
		if err := s.roll(); err != nil {
			s.log.Warn("seal trace segment", "error", err)
			return
		}
	}
	s.expire()
}
