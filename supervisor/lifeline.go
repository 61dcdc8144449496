package supervisor

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"syscall"
	"time"
)

// lifelineVariable holds the number of the descriptor that a child watches.
const lifelineVariable = "TENHOP_LIFELINE_FD"

// ErrOrphaned is the cause of cancellation of the context that Lifeline returns.
var ErrOrphaned = errors.New("the supervisor is gone")

// trimEvery is the interval at which a child returns memory that it does not use.
const trimEvery = 10 * time.Second

// orphanGrace is the time that an orphan has to shut down.
const orphanGrace = 5 * time.Second

// Lifeline returns a context that is cancelled when the supervisor that started
// this process ends for any reason. The process exits a few seconds later if it
// is still running then. In a process that no supervisor started, Lifeline
// returns ctx.
func Lifeline(ctx context.Context) context.Context {
	fd, err := strconv.Atoi(os.Getenv(lifelineVariable))
	if err != nil || fd < 3 {
		return ctx
	}
	syscall.CloseOnExec(fd)
	go func() {
		for range time.Tick(trimEvery) {
			releaseHeap()
			_ = trim() // a failure costs only memory
		}
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		pipe := os.NewFile(uintptr(fd), "lifeline")
		_, _ = pipe.Read(make([]byte, 1)) // nothing is written; Read returns when the supervisor's end is closed
		cancel(ErrOrphaned)
		time.Sleep(orphanGrace)
		os.Exit(1)
	}()
	return ctx
}

// maxIdleHeap is the idle heap, in bytes, above which a child returns memory to
// the operating system without waiting for the Go runtime, which takes minutes.
const maxIdleHeap = 24 << 20

// releaseHeap returns heap memory to the operating system that a burst of work, such as
// reading a thousand traces, has left free.
func releaseHeap() {
	read := []metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/goal:bytes"}}
	metrics.Read(read)
	for _, s := range read {
		if s.Value.Kind() != metrics.KindUint64 {
			return
		}
	}
	if idleHeap(read[0].Value.Uint64(), read[1].Value.Uint64(), read[2].Value.Uint64()) > maxIdleHeap {
		debug.FreeOSMemory()
	}
}

// idleHeap returns the part of the free heap, in bytes, that is left when the objects in the
// heap grow to the size at which it is collected. What a program allocates again and again is
// not idle: returning it takes a collection, and a page fault for each page when it is used
// again.
func idleHeap(free, objects, goal uint64) uint64 {
	needed := goal - min(objects, goal)
	return free - min(needed, free)
}
