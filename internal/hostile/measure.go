package hostile

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// Cost is the memory that a function took, in bytes.
type Cost struct {
	Peak      uint64 // highest heap in use above that at the start
	Allocated uint64 // in all, of the whole process
}

const heapInUse = "/memory/classes/heap/objects:bytes"

// Measure calls f and returns its cost. The cost includes that of other goroutines of
// the process. Garbage is collected often, so that the peak is about the live heap.
func Measure(f func()) Cost {
	const percent = 20
	defer debug.SetGCPercent(debug.SetGCPercent(percent))
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	base := heap()
	peak := base
	stop := make(chan struct{})
	var sampled sync.WaitGroup
	sampled.Go(func() {
		for {
			peak = max(peak, heap())
			select {
			case <-stop:
				return
			case <-time.After(500 * time.Microsecond):
			}
		}
	})
	f()
	close(stop)
	sampled.Wait()
	peak = max(peak, heap())
	runtime.ReadMemStats(&after)
	return Cost{Peak: peak - min(base, peak), Allocated: after.TotalAlloc - before.TotalAlloc}
}

func heap() uint64 {
	s := []metrics.Sample{{Name: heapInUse}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
