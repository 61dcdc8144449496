package tracestore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Query selects traces with at least one span that meets every condition. A zero field
// is ignored.
type Query struct {
	Service     string
	Operation   string
	Attributes  map[string]string // of the span, its events, scope or resource
	StartMin    time.Time         // span started at or after
	StartMax    time.Time         // span started at or before
	DurationMin time.Duration
	DurationMax time.Duration
	Limit       int // maximum number of traces; 20 if zero or less
}

const defaultLimit = 20

// Operation is a span name of a service with its kind ("server", "client",
// "producer", "consumer", "internal" or "").
type Operation struct {
	Name string
	Kind string
}

// view holds the parts of a segment that a reader uses without the lock.
type view struct {
	seg       *segment
	entries   []entry // of a segment that is not sealed
	sealed    bool
	ids       []pcommon.TraceID
	resources []resource
	head      int32
}

// view pins the segment. The caller holds the lock.
func (s *segment) view() view {
	s.acquire()
	return view{seg: s, entries: s.entries, sealed: s.index != nil, ids: s.ids, resources: s.resources, head: -1}
}

func (v *view) entry(i int32) (entry, error) {
	if v.sealed {
		return v.seg.readEntry(i)
	}
	return v.entries[i], nil
}

// all returns every entry; those of a sealed segment are read into buf.
func (v *view) all(buf *[]entry) ([]entry, error) {
	if !v.sealed {
		return v.entries, nil
	}
	var err error
	*buf, err = v.seg.readEntries(*buf)
	return *buf, err
}

func (v *view) release(s *Store) {
	if err := v.seg.release(); err != nil {
		s.log.Warn("close trace segment", "error", err)
	}
}

// Trace returns every stored span of the trace, in the order of arrival, or
// ErrNotFound.
func (s *Store) Trace(ctx context.Context, id pcommon.TraceID) (ptrace.Traces, error) {
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return ptrace.Traces{}, ErrClosed
	}
	var views []view
	for _, seg := range s.segments() {
		if ordinal, ok := seg.traceOf[id]; ok {
			v := seg.view()
			v.head = seg.heads[ordinal]
			views = append(views, v)
		}
	}
	s.mu.RUnlock()
	td := ptrace.NewTraces()
	var err error
	for i := range views {
		if err == nil {
			err = views[i].collect(ctx, td)
		}
		views[i].release(s)
	}
	if err != nil {
		return ptrace.Traces{}, fmt.Errorf("read trace %s: %w", id, err)
	}
	if td.SpanCount() == 0 {
		return ptrace.Traces{}, ErrNotFound
	}
	return td, nil
}

// collect appends the spans of the view's trace, merged by resource and scope.
func (v *view) collect(ctx context.Context, into ptrace.Traces) error {
	type record struct{ off, resource uint32 }
	var records []record
	for i := v.head; i >= 0; {
		e, err := v.entry(i)
		if err != nil {
			return err
		}
		i = e.prev
		r := record{e.off, e.resource}
		if n := len(records); n == 0 || records[n-1] != r {
			records = append(records, r)
		}
	}
	slices.Reverse(records)
	byResource := map[uint32]ptrace.SpanSlice{}
	for _, r := range records {
		if err := ctx.Err(); err != nil {
			return err
		}
		td, err := v.seg.load(r.off, r.resource, v.resources)
		if err != nil {
			return err
		}
		spans := spansOf(td)
		if dst, ok := byResource[r.resource]; ok {
			spans.MoveAndAppendTo(dst)
			continue
		}
		rs := into.ResourceSpans().AppendEmpty()
		td.ResourceSpans().At(0).MoveTo(rs)
		byResource[r.resource] = rs.ScopeSpans().At(0).Spans()
	}
	return nil
}

// Find returns up to q.Limit matching traces, the most recently received first.
// It returns an error if ctx ends or the disk fails.
func (s *Store) Find(ctx context.Context, q Query) ([]ptrace.Traces, error) {
	ids, err := s.FindIDs(ctx, q)
	if err != nil {
		return nil, err
	}
	out := make([]ptrace.Traces, 0, len(ids))
	for _, id := range ids {
		td, err := s.Trace(ctx, id)
		switch {
		case err == nil:
			out = append(out, td)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		default:
			// The trace expired after FindIDs, or its segment is damaged. The
			// others are returned.
			s.log.Debug("trace left out of a search", "trace", id.String(), "error", err)
		}
	}
	return out, nil
}

// FindIDs returns the IDs of the traces that Find would return.
func (s *Store) FindIDs(ctx context.Context, q Query) ([]pcommon.TraceID, error) {
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return nil, ErrClosed
	}
	var views []view
	var matchers []matcher
	segments := s.segments()
	for _, seg := range slices.Backward(segments) {
		m, ok := seg.matcher(q)
		if !ok {
			continue
		}
		views = append(views, seg.view())
		matchers = append(matchers, m)
	}
	s.mu.RUnlock()
	defer func() {
		for i := range views {
			views[i].release(s)
		}
	}()

	var ids []pcommon.TraceID
	seen := map[pcommon.TraceID]struct{}{}
	var buf []entry
	for i := range views {
		v := &views[i]
		entries, err := v.all(&buf)
		if err != nil {
			return nil, err
		}
		for j := range slices.Backward(entries) {
			if j%4096 == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			e := &entries[j]
			if !matchers[i].index(e, v.resources[e.resource]) {
				continue
			}
			id := v.ids[e.trace]
			if _, ok := seen[id]; ok {
				continue
			}
			ok, err := matchers[i].exact(v, e)
			if err != nil {
				s.log.Warn("trace search skips a span", "error", err)
				continue
			}
			if !ok {
				continue
			}
			seen[id] = struct{}{}
			if ids = append(ids, id); len(ids) == q.Limit {
				return ids, nil
			}
		}
	}
	return ids, nil
}

// Services returns the names of all services, sorted.
func (s *Store) Services() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	set := map[string]struct{}{}
	for _, seg := range s.segments() {
		for _, r := range seg.resources {
			if name := seg.names[r.service]; name != "" {
				set[name] = struct{}{}
			}
		}
	}
	return sortedKeys(set)
}

// Operations returns the operations of a service, of every kind if kind is
// empty, sorted by name and kind.
func (s *Store) Operations(service, kind string) []Operation {
	s.mu.RLock()
	defer s.mu.RUnlock()
	set := map[Operation]struct{}{}
	for _, seg := range s.segments() {
		id, ok := seg.nameOf[service]
		if !ok {
			continue
		}
		for op := range seg.operations {
			o := Operation{Name: seg.names[op.name], Kind: kindName(ptrace.SpanKind(op.kind))}
			if op.service == id && (kind == "" || kind == o.Kind) {
				set[o] = struct{}{}
			}
		}
	}
	out := make([]Operation, 0, len(set))
	for o := range set {
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b Operation) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}
