package tracestore

import (
	"context"
	"time"
)

// Dependency is a directed edge between two services with the number of calls.
type Dependency struct {
	Parent string
	Child  string
	Calls  uint64
}

// Dependencies counts, over spans that started in [from, to], how often a span
// of one service is the parent of a span of another. Spans of one service
// below each other do not count.
func (s *Store) Dependencies(ctx context.Context, from, to time.Time) ([]Dependency, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, ErrClosed
	}
	counts := map[[2]string]uint64{}
	segments := s.segments()
	minStart, maxStart := from.UnixNano(), to.UnixNano()
	services := map[uint64]string{} // by span ID, of one trace
	for i, seg := range segments {
		if len(seg.entries) == 0 || seg.maxStart < minStart || seg.minStart > maxStart {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for id, ordinal := range seg.traceOf {
			clear(services)
			seg.eachOf(ordinal, func(e *entry) { services[e.span] = seg.service(e) })
			// A trace seldom spans more than two segments, but may.
			for j, other := range segments {
				if j == i {
					continue
				}
				if o, ok := other.traceOf[id]; ok {
					other.eachOf(o, func(e *entry) { services[e.span] = other.service(e) })
				}
			}
			seg.eachOf(ordinal, func(e *entry) {
				if e.parent == 0 || e.start < minStart || e.start > maxStart {
					return
				}
				child := seg.service(e)
				if parent, ok := services[e.parent]; ok && parent != child {
					counts[[2]string{parent, child}]++
				}
			})
		}
	}
	out := make([]Dependency, 0, len(counts))
	for k, n := range counts {
		out = append(out, Dependency{Parent: k[0], Child: k[1], Calls: n})
	}
	return out, nil
}

func (s *segment) service(e *entry) string { return s.names[s.resources[e.resource].service] }

func (s *segment) eachOf(ordinal uint32, f func(*entry)) {
	for i := s.heads[ordinal]; i >= 0; i = s.entries[i].prev {
		f(&s.entries[i])
	}
}
