package tracestore

import (
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// pending is what one Append adds: records in the order in which they are
// written, and what the index needs to know of each.
type pending struct {
	buf   []byte
	steps []step
}

type step struct {
	off      int64
	resource bool
	hash     uint64
	ordinal  uint32
	td       ptrace.Traces
}

// Append stores the spans of td and takes ownership of it. Spans of one trace
// may come in any order and from any number of calls. It returns an error when
// the spans cannot be written; then none of them is stored.
func (s *Store) Append(td ptrace.Traces) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	seg := s.active
	p, err := seg.prepare(td)
	if err != nil {
		return err
	}
	if len(p.buf) == 0 {
		return nil
	}
	if _, err := seg.file.WriteAt(p.buf, seg.size); err != nil {
		_ = seg.file.Truncate(seg.size) // best effort: a scan stops at a torn record anyway
		return fmt.Errorf("write spans: %w", err)
	}
	for _, st := range p.steps {
		if st.resource {
			seg.indexResource(st.off, st.hash, st.td)
		} else {
			seg.indexSpans(st.off, st.ordinal, st.td)
		}
	}
	seg.size += int64(len(p.buf))
	seg.maxWritten = s.now().UnixNano()
	if seg.size >= s.segmentBytes {
		if err := s.roll(); err != nil {
			return err
		}
	}
	s.expire()
	return nil
}

// prepare groups the spans by resource, scope and trace and encodes each group.
func (s *segment) prepare(td ptrace.Traces) (*pending, error) {
	p := &pending{}
	fresh := map[uint64]uint32{} // resources that this call adds
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			if ss.Spans().Len() == 0 {
				continue
			}
			ordinal, err := s.prepareResource(p, fresh, rs, ss)
			if err != nil {
				return nil, err
			}
			for _, group := range groupByTrace(ss.Spans()) {
				off := s.size + int64(len(p.buf))
				if p.buf, err = appendSpansRecord(p.buf, ordinal, group); err != nil {
					return nil, err
				}
				p.steps = append(p.steps, step{off: off, ordinal: ordinal, td: group})
			}
		}
	}
	return p, nil
}

func (s *segment) prepareResource(p *pending, fresh map[uint64]uint32, rs ptrace.ResourceSpans, ss ptrace.ScopeSpans) (uint32, error) {
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
		return 0, err
	}
	hash := hashPayload(buf[start+recordHeader+1:])
	if ordinal, ok := s.resourceOf[hash]; ok {
		return ordinal, nil
	}
	if ordinal, ok := fresh[hash]; ok {
		return ordinal, nil
	}
	ordinal := uint32(len(s.resources) + len(fresh))
	fresh[hash] = ordinal
	p.buf = buf
	p.steps = append(p.steps, step{off: s.size + int64(start), resource: true, hash: hash, td: td})
	return ordinal, nil
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
		s.hideTorn(oldest)
		s.dropped.Add(1)
		oldest.dropped.Store(true)
		if err := oldest.release(); err != nil {
			s.log.Warn("remove expired trace segment", "error", err)
		}
	}
}

// hideTorn forgets the traces that lose spans with oldest, so that no search
// and no fetch answers with part of a trace.
func (s *Store) hideTorn(oldest *segment) {
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
	for _, seg := range s.segments() {
		memory += seg.memory()
		disk += seg.size
	}
	return memory, disk
}

// Expire drops what is older than the retention, for a store that receives
// nothing and so would keep it. Call it now and then.
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
