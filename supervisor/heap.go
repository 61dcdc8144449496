package supervisor

import (
	"runtime/debug"
	"runtime/metrics"
)

// idleHeap is how much free heap a child keeps for its next burst, bytes. The
// runtime gives more than that back within minutes; people judge a process by
// what it holds now.
const idleHeap = 24 << 20

// releaseHeap gives heap back that a burst has left behind, such as the reading
// of a thousand traces.
func releaseHeap() {
	free := []metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(free)
	if free[0].Value.Kind() == metrics.KindUint64 && free[0].Value.Uint64() > idleHeap {
		debug.FreeOSMemory()
	}
}
