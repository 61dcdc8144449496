package watch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrHeld reports that another Watcher uses the directory. Two would post each incident twice.
var ErrHeld = errors.New("another watcher uses it")

// lock reserves the directory until the file is closed or the process ends.
func (s store) lock() (*os.File, error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(s.dir, "lock"), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w; end that one, or watch in another directory", s.dir, ErrHeld)
		}
		return nil, err
	}
	return f, nil
}

// Close lets others use the directory. Run does so at its end.
func (w *Watcher) Close() { _ = w.held.Close() } // an error is that of a second call
