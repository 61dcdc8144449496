package supervisor

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

const (
	downWithin = 40 * time.Second
	downEvery  = 50 * time.Millisecond
)

// Down ends what runs in a directory and returns how many processes that were:
// none when there was only left what a killed one wrote. A supervisor that does
// not react is killed, which ends its children too.
func (d Dir) Down(ctx context.Context) (int, error) {
	state, err := d.read()
	if err != nil && !errors.Is(err, ErrNotUp) && !errors.Is(err, errDamaged) {
		return 0, err
	}
	held, holdErr := d.holder()
	if holdErr != nil {
		return 0, holdErr
	}
	if held == nil {
		if errors.Is(err, ErrNotUp) {
			return 0, err
		}
		return d.await(ctx, state) // children of a supervisor that was killed end by themselves
	}
	if held.PID <= 0 {
		return 0, fmt.Errorf("%s is locked by a process that did not leave its pid; end it by hand", d.path)
	}
	if err := syscall.Kill(held.PID, syscall.SIGTERM); err != nil {
		return 0, fmt.Errorf("stop pid %d: %w", held.PID, err)
	}
	delete(state.PIDs, supervisorName) // what it started is counted, as `tenhop up` does
	running := max(len(state.PIDs), 1)
	late := time.After(downWithin)
	for {
		if held, err := d.holder(); err != nil {
			return 0, err
		} else if held == nil {
			_, err := d.await(ctx, state)
			return running, err
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

// await waits until none of the processes is left, removes up.json and returns
// how many it waited for.
func (d Dir) await(ctx context.Context, state State) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*orphanGrace)
	defer cancel()
	waited := 0
	for name, pid := range state.PIDs {
		if ours(pid) {
			waited++
		}
		for ours(pid) {
			select {
			case <-ctx.Done():
				return waited, fmt.Errorf("%s (pid %d) does not end; end it by hand", name, pid)
			case <-time.After(downEvery):
			}
		}
	}
	hold, err := d.Hold()
	var held *HeldError
	if errors.As(err, &held) {
		return waited, nil // started again meanwhile
	}
	if err != nil {
		return waited, err
	}
	return waited, hold.Release()
}

// ours reports whether a process is one that a Group started: the number of
// one that is over may belong to another program by now.
func ours(pid int) bool {
	if !alive(pid) {
		return false
	}
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return false
	}
	args, err := p.CmdlineSlice()
	return err == nil && len(args) > 0 && args[0] == childName
}
