package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// ErrHeld reports that another Watcher uses the directory. Two would post each incident twice.
var ErrHeld = errors.New("another watcher uses it")

func (s store) lockPath() string { return filepath.Join(s.dir, "lock") }

// lock reserves the directory until the file is closed or the process ends.
func (s store) lock() (*os.File, error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(s.lockPath(), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
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

// aliveEvery is the interval at which a running Watcher notes that it runs.
const aliveEvery = 10 * time.Second

// alive notes the time at the lock's file, from which the next run knows since when
// nobody watched. An error only makes that time earlier.
func (w *Watcher) alive(now time.Time) { _ = os.Chtimes(w.held.Name(), now, now) }

// left returns when the run before was alive last, or now if that is not known.
func (s store) left(now time.Time) time.Time {
	info, err := os.Stat(s.lockPath())
	if err != nil || info.ModTime().After(now) {
		return now
	}
	return info.ModTime()
}

// reopen continues with an open incident of the run before. What a look has found is over
// until a look finds it again: evidence of the time before and after a gap is not
// compared. The alerts of rules are over if the first poll does not have them. Those of a
// webhook count as heard of now: what repeated them may not have been stored, and nobody
// listened while no Watcher ran. So do polled ones if this run does not poll: nothing else
// would end them.
func (w *Watcher) reopen(i *Incident, now time.Time) {
	w.address(i)
	i.next = w.begin(now).Add(2 * w.cfg.Timing.Poll)
	for key, a := range i.Alerts {
		switch {
		case !a.Firing():
		case a.Polled && w.cfg.Alerts != nil:
			w.polled[key] = a.Alert
		case a.Looked:
			a.resolve(w.leftAt)
			i.count()
			if i.alarming == 0 {
				i.QuietSince = a.EndsAt
			}
			w.gap(i, now)
			w.save(i)
		default:
			a.Polled, a.Heard = false, now
			if !a.Polling.IsZero() { // each poll of the run before had it
				a.Polling = later(a.Polling, w.leftAt)
			}
		}
	}
}

// gap notes at an incident that nobody watched for longer than the quiet time.
func (w *Watcher) gap(i *Incident, now time.Time) {
	if now.Sub(w.leftAt) >= w.cfg.Timing.Quiet {
		i.Note = fmt.Sprintf("nobody watched from %s to %s UTC", w.leftAt.UTC().Format(time.DateTime), now.UTC().Format(time.DateTime))
	}
}

// resolvedAt returns when the alerts that a poll no longer has were resolved: now. After a
// gap it is not known, and the first poll takes them as resolved when the run before ended.
// The incidents of that run say so.
func (w *Watcher) resolvedAt() time.Time {
	now := time.Now()
	if w.polls++; w.polls > 1 || now.Sub(w.leftAt) < w.cfg.Timing.Quiet {
		return now
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range w.incidents {
		if i.State == Open && i.Paged.Before(w.began) {
			w.gap(i, now)
			w.save(i)
		}
	}
	return w.leftAt
}

// wait waits for Config.Begin. It reports false if ctx ended.
func (w *Watcher) wait(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Until(w.cfg.Begin)):
		return true
	}
}

// begin returns when alerts are read and looks begin.
func (w *Watcher) begin(now time.Time) time.Time {
	if w.cfg.Begin.After(now) {
		return w.cfg.Begin
	}
	return now
}
