package watch

import "time"

// Prometheus adds its external_labels to the alerts that it sends to Alertmanager. Its API
// does not have them, so that the same alert of both has different labels.

// alike reports whether a polled alert and one of a webhook are the same: all labels of the
// first one are labels of the other.
func alike(polled, sent Alert) bool {
	return polled.Labels["alertname"] == sent.Labels["alertname"] && polled.subset(sent)
}

// twin returns the key of the firing alert of the other source that is the same as a firing
// alert, or "". Of several it is the one whose labels differ in the fewest.
func (i *Incident) twin(a Alert, polled bool) (best string) {
	if !a.Firing() || a.Looked {
		return ""
	}
	least := 0
	for key, b := range i.Alerts {
		if b.Looked || b.Polled == polled || !b.Firing() || polled && !alike(a, b.Alert) || !polled && !alike(b.Alert, a) {
			continue
		}
		differ := len(b.Labels) - len(a.Labels)
		if differ = max(differ, -differ); best == "" || differ < least || differ == least && key < best {
			best, least = key, differ
		}
	}
	return best
}

// adopt takes an alert that has a twin. The incident keeps that of the webhook, which has all
// labels; see missed for its end. It reports whether there is a twin, and whether that changed
// something.
func (i *Incident) adopt(a Alert, polled bool, now time.Time) (twin, changed bool) {
	if known := i.Alerts[a.key()]; known != nil && known.Firing() {
		return false, false
	}
	key := i.twin(a, polled)
	if key == "" || polled {
		return key != "", false
	}
	a.StartsAt = earlier(a.StartsAt, i.Alerts[key].StartsAt)
	i.bytes += a.size() - i.Alerts[key].size()
	delete(i.Alerts, key)
	i.Alerts[a.key()] = &grouped{Alert: a, Heard: now, Polling: now}
	return true, true
}
