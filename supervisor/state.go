package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// StateDir is the name of the state directory, in the working directory.
const StateDir = ".tenhop"

// State is the content of up.json, in which other commands find the processes.
// Fields may be added, never renamed.
type State struct {
	Endpoints map[string]string   `json:"endpoints"` // name in package endpoint to URL or host:port
	PIDs      map[string]int      `json:"pids"`      // process to its ID
	Starts    map[string]uint64   `json:"starts"`    // process to its start time, in a unit that depends on the system
	Token     string              `json:"token"`     // bearer token of the services' admin endpoints
	Admin     map[string]string   `json:"admin"`     // process to the base URL of its admin port
	Addresses map[string]string   `json:"addresses"` // process of a service to the host:port that it serves on
	Services  map[string][]string `json:"services"`  // service to its processes
	StartedAt time.Time           `json:"started_at"`
	ReadyAt   *time.Time          `json:"ready_at,omitempty"`
}

// running reports whether the process with that name is running. It compares start
// times, since the kernel may have reused the process ID.
func (s State) running(name string) bool { return isProcess(s.PIDs[name], s.Starts[name]) }

// isProcess reports whether the process pid runs and started at start.
func isProcess(pid int, start uint64) bool {
	if !alive(pid) {
		return false
	}
	now, err := startTime(pid)
	return err == nil && now == start
}

func alive(pid int) bool { return pid > 0 && syscall.Kill(pid, 0) == nil }

// Dir is a state directory.
type Dir struct{ path string }

// In returns the state directory of a working directory. It need not exist.
func In(workdir string) (Dir, error) {
	abs, err := filepath.Abs(workdir)
	if err != nil {
		return Dir{}, err
	}
	return Dir{path: filepath.Join(abs, StateDir)}, nil
}

// Path returns the path of a file in the directory.
func (d Dir) Path(elem ...string) string { return filepath.Join(append([]string{d.path}, elem...)...) }

// WorkDir returns the working directory that contains d.
func (d Dir) WorkDir() string { return filepath.Dir(d.path) }

// ErrNotRunning reports that nothing runs in a working directory.
var ErrNotRunning = errors.New("nothing is running")

// ErrDamaged reports that up.json cannot be decoded.
var ErrDamaged = errors.New("damaged state file")

// StartingError reports that a process holds a directory but has not announced
// its state yet. It matches ErrNotRunning.
type StartingError struct {
	Dir string // working directory
	PID int
}

// Error implements error.
func (e *StartingError) Error() string {
	return fmt.Sprintf("pid %d is still starting in %s", e.PID, e.Dir)
}

// Is reports whether target is ErrNotRunning.
func (e *StartingError) Is(target error) bool { return target == ErrNotRunning }

// DirError reports that a state directory cannot be used.
type DirError struct {
	Dir string // state directory
	Err error
}

// Error implements error.
func (e *DirError) Error() string { return fmt.Sprintf("use %s as state directory: %v", e.Dir, e.Err) }

// Unwrap returns the cause.
func (e *DirError) Unwrap() error { return e.Err }

// Read returns the state of the run in the working directory. It fails with
// ErrNotRunning if nothing runs, even if a killed run has left its state.
func (d Dir) Read() (State, error) {
	s, err := d.read()
	if err != nil && !errors.Is(err, ErrNotRunning) {
		return State{}, err
	}
	held, holdErr := d.holder()
	switch {
	case holdErr != nil:
		return State{}, holdErr
	case held == nil && err == nil:
		return State{}, fmt.Errorf("%w in %s: the previous run was killed", ErrNotRunning, d.WorkDir())
	case held != nil && err != nil:
		return State{}, &StartingError{Dir: d.WorkDir(), PID: held.PID}
	}
	return s, err
}

// read returns the content of up.json, even if the processes have ended.
func (d Dir) read() (State, error) {
	b, err := readFile(d.Path("up.json"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return State{}, fmt.Errorf("%w in %s", ErrNotRunning, d.WorkDir())
	case errors.Is(err, syscall.ENOTDIR):
		return State{}, &DirError{d.path, errNotDir}
	case err != nil:
		return State{}, err
	}
	var s State
	if err := json.Unmarshal(b, &s); err != nil {
		return State{}, fmt.Errorf("read %s: %w: %w", d.Path("up.json"), ErrDamaged, err)
	}
	return s, nil
}

// Make creates the directory and its subdirectories subs, for their owner only. It
// fails with a *DirError if one of subs is a symbolic link or a file.
func (d Dir) Make(subs ...string) error {
	for _, sub := range append([]string{""}, subs...) {
		if err := os.MkdirAll(d.Path(sub), 0o700); err != nil {
			return &DirError{d.path, err}
		}
		if sub == "" {
			continue
		}
		info, err := os.Lstat(d.Path(sub))
		if err == nil && !info.IsDir() {
			err = &fs.PathError{Op: "make", Path: d.Path(sub), Err: errSymlink}
		}
		if err != nil {
			return &DirError{d.path, err}
		}
	}
	return nil
}

// write replaces up.json. Only its owner may read it.
func (d Dir) write(s State) error {
	s.Starts = map[string]uint64{}
	for name, pid := range s.PIDs {
		if start, err := startTime(pid); err == nil {
			s.Starts[name] = start
		}
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(d.Path("up.json"), append(b, '\n'))
}
