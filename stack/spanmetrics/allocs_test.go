package spanmetrics

import (
	"testing"
	"time"
)

// TestAllocations bounds the allocations of a span, from the request to the metrics of its
// trace, once the series exist.
func TestAllocations(t *testing.T) {
	p := New()
	td := spans(1, shop...)
	now, n := epoch.Add(time.Second), 0
	one := func() {
		for _, rs := range td.ResourceSpans().All() {
			s := rs.ScopeSpans().At(0).Spans().At(0)
			id := s.TraceID()
			id[0], id[1] = byte(n), byte(n>>8)
			s.SetTraceID(id)
		}
		n++
		now = now.Add(10 * time.Millisecond)
		p.Add(Read(td), now)
		if n%50 == 0 {
			p.Flush(now)
		}
	}
	for range 1000 {
		one()
	}
	const most = 4
	if got := testing.AllocsPerRun(1000, one) / float64(len(shop)); got > most {
		t.Errorf("%.1f allocations per span, want at most %d", got, most)
	}
}

// TestReusedMemory holds that a trace has nothing of those whose memory it uses.
func TestReusedMemory(t *testing.T) {
	p := New()
	p.Add(batch(1, shop...), at(time.Second))
	p.Flush(at(20 * time.Second))
	if len(p.window.free) != 1 {
		t.Fatalf("%d traces are kept for reuse, want 1", len(p.window.free))
	}
	p.Add(batch(2, top, call), at(20*time.Second))
	if n := len(p.window.free); n != 0 {
		t.Errorf("%d traces are kept for reuse while one is open, want 0", n)
	}
	p.Close(at(time.Minute))
	got := gather(t, p)
	got.want(t, selfOf+"a}", 20)
	got.want(t, "tenhop_spanmetrics_spans_total{}", float64(len(shop)+2))
	got.want(t, "tenhop_spanmetrics_late_spans_total{}", 0)
	if n := len(prefixed(got, "hop_self_duration_seconds")); n != 4 {
		t.Errorf("%d hops, want the three of the first trace and one", n)
	}
}

// TestReusedMemoryIsBounded holds that a burst of traces does not keep its memory.
func TestReusedMemoryIsBounded(t *testing.T) {
	w := newWindow(1 << 20)
	for range 100 {
		w.recycle(&open{records: make([]record, 1000)})
	}
	if w.room > maxRoom {
		t.Errorf("memory for %d spans is kept, want at most %d", w.room, maxRoom)
	}
}
