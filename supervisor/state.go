package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// StateDir is the folder, in the working directory, that `tenhop up` owns.
const StateDir = ".tenhop"

// State is what `tenhop up` tells other commands: the content of up.json.
// Fields may be added, never renamed.
type State struct {
	Endpoints map[string]string   `json:"endpoints"` // URLs; host:port for kafka and redis
	PIDs      map[string]int      `json:"pids"`
	Token     string              `json:"token"`    // of the services' admin endpoints
	Admin     map[string]string   `json:"admin"`    // process to the base URL of its admin port
	Services  map[string][]string `json:"services"` // service to its processes
	StartedAt time.Time           `json:"started_at"`
	ReadyAt   *time.Time          `json:"ready_at,omitempty"`
}

// Dir is a state directory.
type Dir struct{ path string }

// In returns the state directory of a working directory.
func In(workdir string) (Dir, error) {
	abs, err := filepath.Abs(workdir)
	if err != nil {
		return Dir{}, err
	}
	return Dir{path: filepath.Join(abs, StateDir)}, nil
}

// Path returns a path in the directory.
func (d Dir) Path(elem ...string) string { return filepath.Join(append([]string{d.path}, elem...)...) }

// WorkDir returns the working directory that holds it.
func (d Dir) WorkDir() string { return filepath.Dir(d.path) }

// ErrNotUp says that nothing runs in a directory.
var ErrNotUp = errors.New("nothing runs in this directory")

// errDamaged says that up.json is not what write wrote.
var errDamaged = errors.New("it is damaged")

// Read returns the state of what runs here, or ErrNotUp. What a process left
// that was killed is not running.
func (d Dir) Read() (State, error) {
	s, err := d.read()
	if err != nil && !errors.Is(err, ErrNotUp) {
		return State{}, err
	}
	held, holdErr := d.holder()
	switch {
	case holdErr != nil:
		return State{}, holdErr
	case held == nil && err == nil:
		return State{}, fmt.Errorf("%w (%s) any more: it was killed; start it again with `tenhop up` or `tenhop stack`", ErrNotUp, d.WorkDir())
	case held != nil && err != nil:
		return State{}, fmt.Errorf("%w yet (%s): pid %d is starting it; try again in a moment", ErrNotUp, d.WorkDir(), held.PID)
	}
	return s, err
}

// read returns what up.json says, whether that still runs or not.
func (d Dir) read() (State, error) {
	b, err := os.ReadFile(d.Path("up.json"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return State{}, fmt.Errorf("%w (%s); start it with `tenhop up`, or name its directory with --dir", ErrNotUp, d.WorkDir())
	case errors.Is(err, syscall.ENOTDIR):
		return State{}, fmt.Errorf("%s is a file, not a directory; move it away, or name another directory with --dir", d.path)
	case err != nil:
		return State{}, err
	}
	var s State
	if err := json.Unmarshal(b, &s); err != nil {
		return State{}, fmt.Errorf("read %s: %w (%w); `tenhop down` ends what runs here and removes it", d.Path("up.json"), errDamaged, err)
	}
	return s, nil
}

// make creates the directory and those in it.
func (d Dir) make(subs ...string) error {
	for _, sub := range append([]string{""}, subs...) {
		if err := os.MkdirAll(d.Path(sub), 0o700); err != nil {
			return fmt.Errorf("make the state directory: %w; name a writable directory with --dir", err)
		}
	}
	return nil
}

// write replaces up.json as a whole; only its owner may read it.
func (d Dir) write(s State) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(d.Path("up.json"), append(b, '\n'))
}

// replaceFile writes a file that readers see whole or not at all.
func replaceFile(path string, b []byte) error {
	next := path + ".next"
	if err := os.WriteFile(next, b, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// Hold is a directory that this process has for itself. Create it with
// Dir.Hold and end it with Release.
type Hold struct {
	dir    Dir
	unlock func()
}

// Hold takes the directory for this process, before it starts anything. A
// HeldError says who has it already.
func (d Dir) Hold() (*Hold, error) {
	if err := d.make(); err != nil {
		return nil, err
	}
	unlock, err := d.lock()
	if err != nil {
		return nil, err
	}
	if err := d.forget(); err != nil { // what a killed process left would pass for ours
		unlock()
		return nil, err
	}
	return &Hold{d, unlock}, nil
}

// Announce tells other commands what this process serves.
func (h *Hold) Announce(s State) error { return h.dir.write(s) }

// Release lets others have the directory.
func (h *Hold) Release() error {
	defer h.unlock()
	return h.dir.forget()
}

func (d Dir) forget() error {
	if err := os.Remove(d.Path("up.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// HeldError says who holds a directory.
type HeldError struct {
	Dir   string
	PID   int
	Since time.Time
}

// Error names the holder and the way out.
func (e *HeldError) Error() string {
	return fmt.Sprintf("%s is held by another `tenhop up` or `tenhop stack` (pid %d, since %s); end it with `tenhop down`, or use another directory with --dir",
		e.Dir, e.PID, e.Since.Format(time.TimeOnly))
}

// A command that looks whether the directory is held holds it itself meanwhile.
const (
	lockTries = 5
	lockEvery = 10 * time.Millisecond
)

// lock takes the directory for this process until release is called or the
// process ends.
func (d Dir) lock() (release func(), err error) {
	f, err := os.OpenFile(d.Path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w; name a writable directory with --dir", d.path, err)
	}
	err = flock(f, syscall.LOCK_EX)
	for try := 1; try < lockTries && errors.Is(err, syscall.EWOULDBLOCK); try++ {
		time.Sleep(lockEvery)
		err = flock(f, syscall.LOCK_EX)
	}
	if err != nil {
		held := readHolder(f)
		f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", d.path, err)
		}
		held.Dir = d.path
		return nil, held
	}
	_ = f.Truncate(0) // the content only helps people
	_, _ = fmt.Fprintf(f, "%d %s\n", os.Getpid(), time.Now().Format(time.RFC3339))
	return func() {
		_ = f.Truncate(0)
		f.Close()
	}, nil
}

func flock(f *os.File, how int) error { return syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB) }

func readHolder(f *os.File) *HeldError {
	held := &HeldError{}
	b := make([]byte, 64)
	n, _ := f.ReadAt(b, 0)
	pid, since, _ := strings.Cut(strings.TrimSpace(string(b[:n])), " ")
	held.PID, _ = strconv.Atoi(pid)
	held.Since, _ = time.Parse(time.RFC3339, since)
	return held
}

// holder returns who holds the directory, nil for nobody.
func (d Dir) holder() (*HeldError, error) {
	f, err := os.Open(d.Path("lock"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := flock(f, syscall.LOCK_SH); err == nil {
		return nil, nil // closing unlocks
	}
	held := readHolder(f)
	held.Dir = d.path
	return held, nil
}
