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
