package watch

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
		i := &Incident{}
		if info, err := os.Stat(name); err != nil || info.Size() > maxFile {
			log.Warn("incident left out: its file is too large", "file", name)
			continue
		}
		content, err := os.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(content, i)
		}
		if err != nil || i.ID != strings.TrimSuffix(filepath.Base(name), ".json") {
			log.Warn("incident left out: its file cannot be read", "file", name, "error", err)
			continue
		}
		i.complete()
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
		}
	}
	i.count()
}

// save writes an incident. After a crash its file has either the old or the new content.
func (s store) save(i *Incident) error {
	content, err := json.Marshal(i)
	if err != nil {
		return err
	}
	return replaceFile(s.path(i.ID), content)
}

// replaceFile replaces the content of a file at once.
func replaceFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
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

// save stores an incident. A failure is logged; the incident continues in memory.
func (w *Watcher) save(i *Incident) {
	if err := w.store.save(i); err != nil {
		w.log.Warn("incident not stored", "incident", i.ID, "error", err)
	}
}

// remove forgets an incident.
func (w *Watcher) remove(i *Incident) {
	w.incidents = slices.DeleteFunc(w.incidents, func(other *Incident) bool { return other == i })
	if err := w.store.remove(i.ID); err != nil {
		w.log.Warn("incident not removed", "incident", i.ID, "error", err)
	}
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

// accept groups alerts into incidents and stores these. It returns an error if an
// incident could not be stored.
func (w *Watcher) accept(alerts []Alert, polled bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	var changed []*Incident
	for _, a := range alerts {
		if a.heartbeat() {
			continue
		}
		i := w.of(a, now)
		if i == nil {
			continue
		}
		if i.take(a, polled, now) {
			w.metrics.alerts.Inc()
			if !slices.Contains(changed, i) {
				changed = append(changed, i)
			}
		}
	}
	var errs []error
	for _, i := range changed {
		errs = append(errs, w.store.save(i))
	}
	w.wake()
	return errors.Join(errs...)
}

// of returns the incident of an alert: the one that has it, the one that began at the
// same time, or the one whose cause it names. Otherwise a firing alert begins one.
func (w *Watcher) of(a Alert, now time.Time) *Incident {
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
	i := &Incident{ID: id.String(), State: Open, Began: a.StartsAt, Paged: now, LastAlert: now,
		Alerts: map[string]*grouped{}, Delivered: map[string]Delivery{}, Said: []Said{}}
	w.incidents = append(w.incidents, i)
	return i
}
