package tracestore

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// errEncoding is returned if the encoding of spans does not have their structure.
var errEncoding = errors.New("encode spans: the encoding has other spans than the request")

// room holds the memory that one Append leaves for the next.
type room struct {
	buf       []byte   // of records
	resources [][]byte // encodings of the ResourceSpans of a request,
	scopes    [][]byte // of the ScopeSpans of a resource,
	spans     [][]byte // and of the spans of a scope
	picked    [][]byte // those of a record
	groups    groups
}

// Sizes beyond which memory is not kept.
const (
	keptBytes = 1 << 20
	keptSpans = 1 << 14
)

// keep keeps memory for the next Append.
func (r *room) keep(buf []byte) {
	if cap(buf) > keptBytes || max(cap(r.resources), cap(r.scopes), cap(r.spans), cap(r.picked)) > keptSpans {
		*r = room{}
		return
	}
	r.buf = buf[:0]
	for _, encodings := range [][][]byte{r.resources, r.scopes, r.spans, r.picked} {
		clear(encodings[:cap(encodings)]) // they are parts of one allocation
	}
}

// prepare groups the spans by resource, scope and trace, leaves out those that
// are stored already, and encodes each group. The others are added to the identities
// of the store, also if an error is returned.
func (s *Store) prepare(td ptrace.Traces) (*pending, error) {
	p := &pending{buf: s.room.buf}
	encoded, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		return p, fmt.Errorf("encode spans: %w", err)
	}
	// Headers of records take more only if most traces have a single small span.
	p.buf = slices.Grow(p.buf, len(encoded)+len(encoded)/4)
	fresh := map[uint64]uint32{} // resources that this call adds
	r := &s.room
	r.resources = appendMessages(r.resources[:0], encoded, fieldResourceSpans)
	if len(r.resources) != td.ResourceSpans().Len() {
		return p, errEncoding
	}
	for i, rs := range td.ResourceSpans().All() {
		r.scopes = appendMessages(r.scopes[:0], r.resources[i], fieldScopeSpans)
		if len(r.scopes) != rs.ScopeSpans().Len() {
			return p, errEncoding
		}
		for j, ss := range rs.ScopeSpans().All() {
			r.spans = appendMessages(r.spans[:0], r.scopes[j], fieldSpans)
			if len(r.spans) != ss.Spans().Len() {
				return p, errEncoding
			}
			if len(r.spans) == 0 {
				continue
			}
			ordinal, hash, err := s.active.prepareResource(p, fresh, r.resources[i], r.scopes[j])
			if err == nil {
				err = s.prepareSpans(p, ordinal, hash, ss.Spans())
			}
			if err != nil {
				return p, err
			}
		}
	}
	return p, nil
}

// prepareResource returns the ordinal and the hash of a resource and scope, and
// appends their record if the segment does not hold it.
func (s *segment) prepareResource(p *pending, fresh map[uint64]uint32, rs, ss []byte) (ordinal uint32, hash uint64, err error) {
	start := len(p.buf)
	buf, err := appendResourceRecord(p.buf, rs, ss)
	if err != nil {
		return 0, 0, err
	}
	payload := buf[start+recordHeader+1:]
	hash = hashPayload(payload)
	if ordinal, ok := s.resourceOf[hash]; ok {
		return ordinal, hash, nil
	}
	if ordinal, ok := fresh[hash]; ok {
		return ordinal, hash, nil
	}
	td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(payload)
	if err != nil || !wellFormed(td) {
		return 0, 0, errors.Join(errEncoding, err)
	}
	ordinal = uint32(len(s.resources) + len(fresh))
	fresh[hash] = ordinal
	p.buf = buf
	p.updates = append(p.updates, indexUpdate{off: s.size + int64(start), hash: hash, resource: td})
	return ordinal, hash, nil
}

func hashPayload(payload []byte) uint64 { return xxhash.Sum64(payload) }

// prepareSpans appends a record for each trace of the spans of a scope, whose encodings
// are in s.room.spans. A trace whose spans are all stored has none.
func (s *Store) prepareSpans(p *pending, ordinal uint32, resource uint64, spans ptrace.SpanSlice) error {
	r := &s.room
	r.groups.load(spans)
	all := make([]ptrace.Span, 0, spans.Len()) // shared by the updates
	for g := range r.groups.count() {
		r.picked = r.picked[:0]
		first := len(all)
		for _, i := range r.groups.of(g) {
			id := spanIdentity(resource, r.spans[i])
			if s.stored.has(id) {
				continue
			}
			s.stored.add(id)
			p.ids = append(p.ids, id)
			r.picked = append(r.picked, r.spans[i])
			all = append(all, spans.At(i))
		}
		if len(r.picked) == 0 {
			continue
		}
		start := len(p.buf)
		buf, err := appendSpansRecord(p.buf, ordinal, r.picked)
		if err != nil {
			return err
		}
		p.buf = buf
		p.updates = append(p.updates, indexUpdate{off: s.active.size + int64(start), ordinal: ordinal, spans: all[first:len(all):len(all)]})
	}
	return nil
}

// groups groups spans by trace, in the order in which the traces first appear.
type groups struct {
	ordinal map[pcommon.TraceID]int
	groupOf []int // by span
	ends    []int // by group: end of its spans in order
	order   []int // spans, one group after another
}

func (g *groups) load(spans ptrace.SpanSlice) {
	if g.ordinal == nil || len(g.ordinal) > 1024 { // clearing a map takes time proportional to its largest size
		g.ordinal = map[pcommon.TraceID]int{}
	}
	clear(g.ordinal)
	g.groupOf, g.ends = g.groupOf[:0], g.ends[:0]
	for _, span := range spans.All() {
		id := span.TraceID()
		n, ok := g.ordinal[id]
		if !ok {
			n = len(g.ends)
			g.ordinal[id] = n
			g.ends = append(g.ends, 0)
		}
		g.groupOf = append(g.groupOf, n)
		g.ends[n]++
	}
	at := 0
	for n, size := range g.ends {
		g.ends[n] = at // the start, until its spans are placed
		at += size
	}
	g.order = slices.Grow(g.order[:0], at)[:at]
	for i, n := range g.groupOf {
		g.order[g.ends[n]] = i
		g.ends[n]++
	}
}

func (g *groups) count() int { return len(g.ends) }

// of returns the spans of a group in their order.
func (g *groups) of(n int) []int {
	from := 0
	if n > 0 {
		from = g.ends[n-1]
	}
	return g.order[from:g.ends[n]]
}
