package watch

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"
)

// store keeps one file per incident. A file holds what each receiver has, so that the
// files are the spool of messages: newer states of a message replace older ones.
type store struct{ dir string }

// Bounds of the incidents kept, and of those open at the same time.
const (
	maxIncidents = 1000
	maxOpen      = 100
	maxFile      = 16 << 20
)

func (s store) path(id string) string { return filepath.Join(s.dir, id+".json") }

// load reads all incidents. A file that cannot be read is reported and left.
func (s store) load(log *slog.Logger) ([]*Incident, error) {
	names, err := filepath.Glob(filepath.Join(s.dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var out []*Incident
	for _, name := range names {
		i, err := read(name)
		if err != nil {
			log.Warn("incident left out", "error", err)
			continue
		}
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b *Incident) int { return a.Paged.Compare(b.Paged) })
	return out, nil
}

// complete makes what the JSON leaves out.
func (i *Incident) complete() {
	if i.Alerts == nil {
		i.Alerts = map[string]*grouped{}
	}
	if i.Delivered == nil {
		i.Delivered = map[string]Delivery{}
	}
	for key, a := range i.Alerts {
		if a == nil {
			delete(i.Alerts, key)
			continue
		}
		a.Runbook = runbook(a.Runbook)
		if a.Heard.IsZero() {
			a.Heard = time.Now() // stored before that was noted
		}
	}
	if !i.Paged.IsZero() && i.Began.After(i.Paged) { // stored before the start of an alert was bounded
		i.Began = i.Paged
	}
	if i.Alerted == nil && !i.presumed() { // stored before that was noted
		i.Alerted = &i.Paged
	}
	i.count()
}

// replaceFile replaces a file by one with the content and the permissions at once.
func replaceFile(path string, content []byte, perm fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(perm), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

func (s store) remove(id string) error {
	if err := os.Remove(s.path(id)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// save notes that an incident is to be stored by flush. One that was removed, by a
// diagnosis or a delivery that ended later, stays removed. The caller holds mu.
func (w *Watcher) save(i *Incident) {
	if slices.Contains(w.incidents, i) {
		w.changed[i.ID] = i
	}
}

// remove forgets an incident. The caller holds mu.
func (w *Watcher) remove(i *Incident) {
	w.incidents = slices.DeleteFunc(w.incidents, func(other *Incident) bool { return other == i })
	w.changed[i.ID] = nil
}

// storeAgain is the time after a failed write before Run tries to store again.
const storeAgain = time.Second

// flush writes what save and remove noted. It does so without mu, so that a slow disk
// delays neither requests nor deliveries. After a crash a file has either the old or the
// new content. Failures are logged, and the next flush tries again; flush returns those of
// the incidents in of.
func (w *Watcher) flush(of ...*Incident) error {
	w.storing.Lock()
	defer w.storing.Unlock()
	w.mu.Lock()
	changed, contents, failed := w.changed, map[string][]byte{}, map[string]error{}
	w.changed = map[string]*Incident{}
	for id, i := range changed {
		if i == nil {
			continue
		}
		content, err := json.Marshal(i)
		if contents[id] = content; err != nil {
			failed[id] = err
		}
	}
	w.mu.Unlock()
	for id, content := range contents {
		if failed[id] == nil {
			failed[id] = replaceFile(w.store.path(id), content, 0o600)
		}
	}
	for id, i := range changed { // after those that may have its alerts
		if i == nil {
			failed[id] = w.store.remove(id)
		}
	}
	w.again(changed, failed)
	var errs []error
	for _, i := range of {
		errs = append(errs, w.unstored[i.ID])
	}
	return errors.Join(errs...)
}

// again notes what could not be stored, for the next flush. A newer change stays. The caller
// holds storing.
func (w *Watcher) again(changed map[string]*Incident, failed map[string]error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, i := range changed {
		err := failed[id]
		if err == nil {
			delete(w.unstored, id)
			continue
		}
		if w.unstored[id] == nil { // said once
			w.log.Warn("incident not stored or removed; trying again", "incident", id, "error", err)
		}
		w.unstored[id], w.failedAt = err, time.Now()
		if _, newer := w.changed[id]; !newer {
			w.changed[id] = i
		}
	}
}

// storable reports whether Run may store: a disk that is full gets a rest.
func (w *Watcher) storable(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return now.Sub(w.failedAt) >= storeAgain
}

// prune removes the oldest closed incidents beyond the bound, delivered ones first.
func (w *Watcher) prune() {
	for _, undelivered := range []bool{false, true} {
		for _, i := range append([]*Incident(nil), w.incidents...) {
			if len(w.incidents) <= maxIncidents {
				return
			}
			if i.State == Closed && (undelivered || !w.pendingAnywhere(i)) {
				if w.pendingAnywhere(i) {
					w.metrics.lost.Inc()
				}
				w.remove(i)
			}
		}
	}
}

// accept groups alerts into incidents and stores these. It returns an error if an incident
// that has one of the alerts is not stored, whether the alert has changed it or not: who
// sends the alert repeats it until then.
func (w *Watcher) accept(alerts []Alert, polled bool) error {
	return w.flush(w.take(alerts, polled)...)
}

// take groups alerts into incidents, and returns these.
func (w *Watcher) take(alerts []Alert, polled bool) (having []*Incident) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for _, a := range alerts {
		if a.heartbeat() {
			continue
		}
		i := w.of(a, polled, now)
		if i == nil {
			continue
		}
		twin, changed := i.adopt(a, polled, now)
		if !twin && i.take(a, polled, now) {
			w.metrics.alerts.Inc()
			changed = true
		}
		if changed {
			w.save(i)
		}
		if !slices.Contains(having, i) {
			having = append(having, i)
		}
	}
	w.wake()
	return having
}

// of returns the incident of an alert: the one that has it or its twin, the one that began at
// the same time, or the one whose cause it names. Otherwise a firing alert begins one, now if
// the clock of the alert is ahead.
func (w *Watcher) of(a Alert, polled bool, now time.Time) *Incident {
	var open []*Incident
	for _, i := range slices.Backward(w.incidents) {
		if i.State == Open {
			open = append(open, i) // newest first
		}
	}
	key := a.key()
	for _, i := range open {
		if i.Alerts[key] != nil {
			return i
		}
	}
	if !a.Firing() {
		return nil
	}
	for _, i := range open {
		if i.twin(a, polled) != "" {
			return i
		}
	}
	for _, i := range open {
		if now.Sub(i.LastAlert) <= w.cfg.Timing.Quiet || i.names(a.Place()) {
			return i
		}
	}
	if len(open) >= maxOpen {
		return open[0]
	}
	id, err := uuid.NewV7()
	if err != nil {
		id = uuid.New()
	}
	i := &Incident{ID: id.String(), State: Open, Began: earlier(a.StartsAt, now), Paged: now, LastAlert: now,
		Alerts: map[string]*grouped{}, Delivered: map[string]Delivery{}, Said: []Said{}}
	w.address(i)
	w.incidents = append(w.incidents, i)
	return i
}

// address makes the receivers known to an open incident.
func (w *Watcher) address(i *Incident) {
	for _, r := range w.cfg.Receivers {
		if _, known := i.Delivered[r.Name()]; !known {
			i.Delivered[r.Name()] = Delivery{}
		}
	}
}
