package process

import (
	"math"
	"runtime/metrics"
	"testing"
	"testing/synctest"
	"time"
)

// TestHeartbeat counts beats that are late, and no others.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startHeartbeat()
		defer h.close()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := h.count.Load(); n != 0 {
			t.Errorf("%d stalls in a minute without any", n)
		}
	})
	h := &heartbeat{}
	for _, late := range []time.Duration{0, time.Millisecond, minStall - 1, 100 * time.Millisecond, 300 * time.Millisecond} {
		h.late(late)
	}
	if n, s := h.count.Load(), math.Float64frombits(h.seconds.Load()); n != 2 || s != .4 {
		t.Errorf("%d stalls of %v s, want 2 of 0.4", n, s)
	}
}

// TestCondense keeps the count, and counts what may lie above a bound as above it.
func TestCondense(t *testing.T) {
	h := &metrics.Float64Histogram{
		Counts:  []uint64{1, 2, 3, 4},
		Buckets: []float64{math.Inf(-1), 0, .5e-3, 2e-3, math.Inf(1)},
	}
	count, sum, buckets := condense(h, []float64{1e-3, 1})
	if want := 2*.25e-3 + 3*1.25e-3 + 4*2e-3; count != 10 || math.Abs(sum-want) > 1e-12 {
		t.Errorf("count %d, sum %v; want 10, %v", count, sum, want)
	}
	if buckets[1e-3] != 3 || buckets[1] != 6 {
		t.Errorf("buckets %v", buckets)
	}
}
