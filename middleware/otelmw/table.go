package otelmw

import (
	"sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// key identifies a span.
type key struct {
	trace trace.TraceID
	span  trace.SpanID
}

func keyOf(sc trace.SpanContext) key { return key{sc.TraceID(), sc.SpanID()} }

// record is a span in progress. Only wait, span and position change after it was put
// into the table.
type record struct {
	key     key
	kind    trace.SpanKind
	adapter *adapter.Hop // in the context of the span's start
	hop     *hopState    // nil outside hops of this package
	own     bool         // of an adapter, which reports it itself
	inCall  bool         // the span is a call or below one
	call    bool         // an outermost call
	outside bool         // a call that belongs to no hop

	wait     adapter.Call           // within the hop of an adapter
	span     sdktrace.ReadWriteSpan // of a call in flight within hop
	position int                    // in hop.open, guarded by its mutex

	older, newer *record // in start order within the shard
}

// leaveHop takes the span out of the hop above it, since an adapter handles a message in
// between. Unless that hop called it, the message is that hop's, and the adapter reports it.
func (r *record) leaveHop() {
	if r.hop != nil && !r.inCall {
		r.hop.supersede()
	}
	r.hop, r.inCall = nil, false
}

// shards is the number of independently locked parts of a table.
const shards = 32

// table holds the spans in progress.
type table struct {
	shard [shards]shard
	limit int // of each shard
}

type shard struct {
	mu             sync.Mutex
	spans          map[key]*record
	oldest, newest *record
	_              [64]byte // keeps shards on separate cache lines
}

func (t *table) init(limit int) {
	t.limit = max((limit+shards-1)/shards, 1)
	for i := range t.shard {
		t.shard[i].spans = map[key]*record{}
	}
}

func (t *table) of(k key) *shard { return &t.shard[k.span[7]%shards] }

func (t *table) get(k key) *record {
	s := t.of(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spans[k]
}

// put adds a span and returns the oldest when that had to be given up, else nil.
func (t *table) put(r *record) (evicted *record) {
	s := t.of(r.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.spans) >= t.limit {
		evicted = s.oldest
		s.remove(evicted)
	}
	s.spans[r.key] = r
	if r.older = s.newest; r.older != nil {
		r.older.newer = r
	} else {
		s.oldest = r
	}
	s.newest = r
	return evicted
}

// take removes a span. It returns nil for one that is not tracked.
func (t *table) take(k key) *record {
	s := t.of(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.spans[k]
	if r != nil {
		s.remove(r)
	}
	return r
}

func (s *shard) remove(r *record) {
	delete(s.spans, r.key)
	if r.older != nil {
		r.older.newer = r.newer
	} else {
		s.oldest = r.newer
	}
	if r.newer != nil {
		r.newer.older = r.older
	} else {
		s.newest = r.older
	}
	r.older, r.newer = nil, nil
}
