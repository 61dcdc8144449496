package otlpspan

import "testing"

// The memory that is kept between exports is bounded whatever the sizes of earlier batches:
// each of a few scopes may have had its large batch once.
func TestKeptMemoryIsBounded(t *testing.T) {
	q := &queue{current: &batch{}}
	tracers := make([]tracer, 8)
	small, large := make([]byte, 100), make([]byte, maxBatchBytes/4)
	for round := range tracers {
		for i := range tracers {
			span := small
			if i == round {
				span = large
			}
			q.current.add(&tracers[i], span)
		}
		q.reuse(q.take())
		if q.spare == nil {
			continue
		}
		kept := 0
		for _, s := range q.spare.scopes[:cap(q.spare.scopes)] {
			kept += cap(s.spans)
		}
		if kept > maxBatchBytes/2 {
			t.Errorf("after %d batches, %d bytes are kept", round+1, kept)
		}
	}
	q = &queue{current: &batch{}}
	q.current.add(&tracers[0], small)
	b := q.take()
	if q.reuse(b); q.spare != b {
		t.Error("a small batch is not kept")
	}
}
