package supervisor

import (
	"runtime"
	"runtime/metrics"
	"testing"
)

func TestReleaseHeap(t *testing.T) {
	free := func() uint64 {
		s := []metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	burst := make([][]byte, 64)
	for i := range burst {
		burst[i] = make([]byte, 4<<20)
		burst[i][0] = 1
	}
	clear(burst)
	runtime.GC()
	if free() <= maxIdleHeap {
		t.Skipf("the runtime gave the burst back itself: %d bytes are free", free())
	}
	releaseHeap()
	if n := free(); n > maxIdleHeap {
		t.Errorf("%d bytes stay, want at most %d", n, maxIdleHeap)
	}
}

func TestIdleHeap(t *testing.T) {
	for _, c := range []struct {
		name                      string
		free, objects, goal, want uint64
	}{
		{"just collected, half of the heap is allocated again", 60, 60, 120, 0},
		{"just before the next collection", 2, 118, 120, 0},
		{"a burst has ended", 300, 60, 120, 240},
		{"the heap has passed its goal", 10, 130, 120, 10},
		{"less is free than will be allocated", 20, 60, 120, 0},
	} {
		if got := idleHeap(c.free, c.objects, c.goal); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
