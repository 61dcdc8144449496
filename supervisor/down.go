package supervisor

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

const (
	downWithin = 40 * time.Second
	downEvery  = 50 * time.Millisecond
)

// Down ends what runs in a directory and returns how many processes that were.
// A supervisor that does not react is killed, which ends its children too.
func (d Dir) Down(ctx context.Context) (int, error) {
	state, stateErr := d.Read()
	held, err := d.holder()
	if err != nil {
		return 0, err
	}
	if held == nil {
		if errors.Is(stateErr, ErrNotUp) {
			return 0, stateErr
		}
		return d.await(ctx, state) // children of a supervisor that was killed end by themselves
	}
	if held.PID <= 0 {
		return 0, fmt.Errorf("%s is locked by a process that did not leave its pid; end it by hand", d.path)
	}
	if err := syscall.Kill(held.PID, syscall.SIGTERM); err != nil {
		return 0, fmt.Errorf("stop pid %d: %w", held.PID, err)
	}
	late := time.After(downWithin)
	for {
		if held, err := d.holder(); err != nil {
			return 0, err
		} else if held == nil {
			return d.await(ctx, state)
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-late:
			_ = syscall.Kill(held.PID, syscall.SIGKILL) // the lock says that it is still there
			late = nil
		case <-time.After(downEvery):
		}
	}
}

// await waits until none of the processes is left and clears up.json.
func (d Dir) await(ctx context.Context, state State) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*orphanGrace)
	defer cancel()
	for name, pid := range state.PIDs {
		for alive(pid) {
			select {
			case <-ctx.Done():
				return 0, fmt.Errorf("%s (pid %d) does not end; end it by hand", name, pid)
			case <-time.After(downEvery):
			}
		}
	}
	return len(state.PIDs), d.forget()
}
