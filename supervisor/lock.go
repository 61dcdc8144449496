package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Hold is exclusive use of a state directory. Create it with Dir.Hold and end it
// with Release.
type Hold struct {
	dir    Dir
	unlock func()
}

// Hold reserves the directory for this process. Call it before starting any child. It
// fails with a *HeldError if another process holds it, and with a *DirError if the
// directory holds a symbolic link, or if other users can write to it.
func (d Dir) Hold() (*Hold, error) {
	if err := d.Make(); err != nil {
		return nil, err
	}
	if err := d.inspect(); err != nil {
		return nil, &DirError{d.path, err}
	}
	unlock, err := d.lock()
	if err != nil {
		return nil, err
	}
	if err := d.forget(); err != nil { // the state of a killed process would be taken for that of this one
		unlock()
		return nil, err
	}
	return &Hold{d, unlock}, nil
}

// Announce writes the state for other commands. It fills in s.Starts.
func (h *Hold) Announce(s State) error { return h.dir.write(s) }

// Release removes the state and ends the hold.
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

// HeldError reports that another process holds a state directory.
type HeldError struct {
	Dir   string
	PID   int // 0 if it is unknown
	Since time.Time
	start uint64 // start time of the process
}

// Error implements error.
func (e *HeldError) Error() string {
	return fmt.Sprintf("%s is in use by another process (pid %d, since %s)", e.Dir, e.PID, e.Since.Format(time.TimeOnly))
}

// Retries of lock, since commands that check whether the directory is held lock it
// briefly.
const (
	lockTries = 5
	lockEvery = 10 * time.Millisecond
)

// lock locks the directory until release is called or the process ends.
func (d Dir) lock() (release func(), err error) {
	f, err := openFile(d.Path("lock"), os.O_CREATE|os.O_RDWR)
	if err != nil {
		return nil, &DirError{d.path, err}
	}
	err = flock(f, syscall.LOCK_EX)
	for try := 1; try < lockTries && errors.Is(err, syscall.EWOULDBLOCK); try++ {
		time.Sleep(lockEvery)
		err = flock(f, syscall.LOCK_EX)
	}
	if err != nil {
		held := d.readHolder(f)
		f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, &DirError{d.path, err}
		}
		return nil, held
	}
	start, _ := startTime(os.Getpid()) // needed by `tenhop down` only
	_ = f.Truncate(0)
	_, _ = fmt.Fprintf(f, "%d %s %d\n", os.Getpid(), time.Now().Format(time.RFC3339), start)
	return func() {
		_ = f.Truncate(0)
		f.Close()
	}, nil
}

func flock(f *os.File, how int) error { return syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB) }

// readHolder decodes the content of the lock file.
func (d Dir) readHolder(f *os.File) *HeldError {
	held := &HeldError{Dir: d.path}
	b := make([]byte, 128)
	n, _ := f.ReadAt(b, 0)
	fields := append(strings.Fields(string(b[:n])), "", "", "")
	held.PID, _ = strconv.Atoi(fields[0])
	held.Since, _ = time.Parse(time.RFC3339, fields[1])
	held.start, _ = strconv.ParseUint(fields[2], 10, 64)
	return held
}

// holder returns the process that holds the directory, or nil if none does.
func (d Dir) holder() (*HeldError, error) {
	f, err := openFile(d.Path("lock"), os.O_RDONLY)
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
	return d.readHolder(f), nil
}
