package tracestore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// Dependency is a directed edge between two services, with the number of calls.
type Dependency struct {
	Parent string
	Child  string
	Calls  uint64
}

// Dependencies counts the calls between services: the pairs of a parent and a child
// span among the spans that started in [from, to]. As in Jaeger, calls within a service
// count.
func (s *Store) Dependencies(ctx context.Context, from, to time.Time) ([]Dependency, error) {
	minStart, maxStart := from.UnixNano(), to.UnixNano()
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return nil, ErrClosed
	}
	var views []view
	var names [][]string
	for _, seg := range s.segments() {
		if seg.count > 0 && seg.maxStart >= minStart && seg.minStart <= maxStart {
			views = append(views, seg.view())
			names = append(names, seg.names)
		}
	}
	s.mu.RUnlock()
	defer func() {
		for i := range views {
			views[i].release(s)
		}
	}()
	counts := edges{}
	// The spans of a trace are in one segment or in two neighbours. So the
	// services of the previous segment are kept, and a child whose parent has not
	// been seen waits for one more segment.
	var before links
	var buf []entry
	for i := range views {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		entries, err := views[i].all(&buf)
		if err != nil {
			return nil, err
		}
		now := links{services: make(map[spanRef]string, len(entries))}
		service := func(e *entry) string { return names[i][views[i].resources[e.resource].service] }
		for j := range entries {
			now.services[spanRef{views[i].ids[entries[j].trace], entries[j].span}] = service(&entries[j])
		}
		for _, c := range before.children {
			if parent, ok := now.services[c.parent]; ok {
				counts.add(parent, c.service)
			}
		}
		for j := range entries {
			e := &entries[j]
			if e.parent == 0 || e.start < minStart || e.start > maxStart {
				continue
			}
			ref := spanRef{views[i].ids[e.trace], e.parent}
			parent, ok := now.services[ref]
			if !ok {
				parent, ok = before.services[ref]
			}
			if ok {
				counts.add(parent, service(e))
			} else {
				now.children = append(now.children, child{ref, service(e)})
			}
		}
		before = now
	}
	return counts.list(), nil
}

// spanRef identifies a span of a trace.
type spanRef struct {
	trace pcommon.TraceID
	span  uint64
}

// child is a span whose parent has not been seen yet.
type child struct {
	parent  spanRef
	service string
}

// links holds the services of a segment's spans, and its spans without a parent.
type links struct {
	services map[spanRef]string
	children []child
}

// edges counts calls between services.
type edges map[[2]string]uint64

func (c edges) add(parent, child string) {
	c[[2]string{parent, child}]++
}

func (c edges) list() []Dependency {
	out := make([]Dependency, 0, len(c))
	for k, n := range c {
		out = append(out, Dependency{Parent: k[0], Child: k[1], Calls: n})
	}
	slices.SortFunc(out, func(a, b Dependency) int {
		return cmp.Or(cmp.Compare(a.Parent, b.Parent), cmp.Compare(a.Child, b.Child))
	})
	return out
}
