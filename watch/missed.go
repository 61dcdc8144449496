package watch

import (
	"fmt"
	"slices"
	"time"
)

// An alert of a webhook whose resolution was missed would keep its incident open. If the
// Prometheus that is polled has had the alert, its word counts. Otherwise the alert ends
// when nothing was heard of it for Timing.Forget, in which Alertmanager repeats it.

// subset reports whether b has all labels of a.
func (a Alert) subset(b Alert) bool {
	for name, v := range a.Labels {
		if b.Labels[name] != v {
			return false
		}
	}
	return true
}

// confirm notes which alerts of webhooks a poll has found firing. Alertmanager's may have
// further labels, those of the sender.
func (w *Watcher) confirm(found []Alert, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.polledAt = now
	byName := map[string][]Alert{}
	for _, f := range found {
		byName[f.Labels["alertname"]] = append(byName[f.Labels["alertname"]], f)
	}
	for _, i := range w.incidents {
		if i.State != Open {
			continue
		}
		for _, a := range i.Alerts {
			if a.Polled || a.Looked || !a.Firing() {
				continue
			}
			if slices.ContainsFunc(byName[a.Labels["alertname"]], func(f Alert) bool { return f.subset(a.Alert) }) {
				a.Polling = now
			}
		}
	}
}

// missed resolves the alerts of an incident whose resolution did not arrive. The caller
// holds mu.
func (w *Watcher) missed(i *Incident, now time.Time) {
	t := w.cfg.Timing
	for _, a := range i.Alerts {
		if a.Polled || a.Looked || !a.Firing() {
			continue
		}
		over, note := a.Alert, ""
		switch {
		case !a.Polling.IsZero() && w.polledAt.Sub(a.Polling) >= t.Quiet:
			over.EndsAt = a.Polling
			note = fmt.Sprintf("no message said that %s was resolved; Prometheus has not had it since %s", a.Name(), a.Polling.UTC().Format(time.TimeOnly))
		case now.Sub(a.Heard) >= t.Forget && !a.Heard.IsZero():
			over.EndsAt = a.Heard
			note = fmt.Sprintf("no message said that %s was resolved; nothing was heard of it for %s", a.Name(), t.Forget)
		default:
			continue
		}
		i.Note = note
		i.take(over, false, now)
		w.log.Warn("resolution missed", "incident", i.ID, "note", note)
		w.save(i)
	}
}
