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

// Read returns the state of what runs here, or ErrNotUp.
func (d Dir) Read() (State, error) {
	b, err := os.ReadFile(d.Path("up.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, fmt.Errorf("%w (%s); start it with `tenhop up`, or name its directory with --dir", ErrNotUp, filepath.Dir(d.path))
	}
	if err != nil {
		return State{}, err
	}
	var s State
	if err := json.Unmarshal(b, &s); err != nil {
		return State{}, fmt.Errorf("%s is damaged: %w; `tenhop down` clears it", d.Path("up.json"), err)
	}
	return s, nil
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

// Hold takes the directory for this process and tells other commands what it
// serves, until release is called. A HeldError says who holds it already.
func (d Dir) Hold(s State) (release func() error, err error) {
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return nil, err
	}
	unlock, err := d.lock()
	if err != nil {
		return nil, err
	}
	if err := d.write(s); err != nil {
		unlock()
		return nil, err
	}
	return func() error {
		defer unlock()
		return d.forget()
	}, nil
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

// lock takes the directory for this process until release is called or the
// process ends.
func (d Dir) lock() (release func(), err error) {
	f, err := os.OpenFile(d.Path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", d.path, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
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
	f, err := os.OpenFile(d.Path("lock"), os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err == nil {
		return nil, nil // closing unlocks
	}
	held := readHolder(f)
	held.Dir = d.path
	return held, nil
}
