package supervisor

import (
	"context"
	"errors"
	"os"
	"strconv"
	"syscall"
	"time"
)

// lifelineVariable holds the number of the descriptor that a child watches.
const lifelineVariable = "TENHOP_LIFELINE_FD"

// ErrOrphaned is the cause of the context that Lifeline cancels.
var ErrOrphaned = errors.New("the supervisor is gone")

// trimEvery is how often a child gives back the pages of the program's file
// that it does not use: after its start, and after bursts of other work.
const trimEvery = 10 * time.Second

// orphanGrace is how long an orphan may take to end in order.
const orphanGrace = 5 * time.Second

// Lifeline returns a context that ends when the supervisor that started this
// process does, whatever ended it; the process itself ends at the latest a few
// seconds later. In a process that no supervisor started it returns ctx.
func Lifeline(ctx context.Context) context.Context {
	fd, err := strconv.Atoi(os.Getenv(lifelineVariable))
	if err != nil || fd < 3 {
		return ctx
	}
	syscall.CloseOnExec(fd)
	go func() {
		for range time.Tick(trimEvery) {
			releaseHeap()
			_ = trim() // without it the process only looks larger
		}
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		pipe := os.NewFile(uintptr(fd), "lifeline")
		_, _ = pipe.Read(make([]byte, 1)) // nothing is ever written: it returns when the other end closes
		cancel(ErrOrphaned)
		time.Sleep(orphanGrace)
		os.Exit(1)
	}()
	return ctx
}
