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

// Down stops the processes of the working directory, waits until they have ended and
// returns their number. If the run was killed and only its state is left, Down removes
// the state and returns 0. A supervisor that does not react within 40 s is killed,
// which ends its children too. Down signals only the process that holds the directory.
func (d Dir) Down(ctx context.Context) (int, error) {
	state, err := d.read()
	if err != nil && !errors.Is(err, ErrNotRunning) && !errors.Is(err, ErrDamaged) {
		return 0, err
	}
	held, holdErr := d.holder()
	if holdErr != nil {
		return 0, holdErr
	}
	if held == nil {
		if errors.Is(err, ErrNotRunning) {
			return 0, err
		}
		return d.await(ctx, state) // children of a killed supervisor end by themselves
	}
	if held.PID <= 0 {
		return 0, fmt.Errorf("%s is locked by a process that has not written its pid; stop it by hand", d.path)
	}
	if !isProcess(held.PID, held.start) {
		return 0, fmt.Errorf("%s is locked, but its lock file names pid %d, which is another process; stop the one that locks it by hand", d.path, held.PID)
	}
	if err := syscall.Kill(held.PID, syscall.SIGTERM); err != nil {
		return 0, fmt.Errorf("stop pid %d: %w", held.PID, err)
	}
	delete(state.PIDs, supervisorName) // `tenhop up` does not count itself, either
	stopped := max(len(state.PIDs), 1)
	late := time.After(downWithin)
	for {
		if now, err := d.holder(); err != nil {
			return 0, err
		} else if now == nil {
			_, err := d.await(ctx, state)
			return stopped, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-late:
			if isProcess(held.PID, held.start) {
				_ = syscall.Kill(held.PID, syscall.SIGKILL)
			}
			late = nil
		case <-time.After(downEvery):
		}
	}
}

// await waits until all processes have ended, removes up.json and returns the number of
// processes that it waited for.
func (d Dir) await(ctx context.Context, state State) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*orphanGrace)
	defer cancel()
	waited := 0
	for name, pid := range state.PIDs {
		if state.running(name) {
			waited++
		}
		for state.running(name) {
			select {
			case <-ctx.Done():
				return waited, fmt.Errorf("%s (pid %d) does not end; stop it by hand", name, pid)
			case <-time.After(downEvery):
			}
		}
	}
	hold, err := d.Hold()
	var held *HeldError
	if errors.As(err, &held) {
		return waited, nil // another run has started meanwhile
	}
	if err != nil {
		return waited, err
	}
	return waited, hold.Release()
}
