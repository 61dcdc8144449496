package watch

import (
	"log/slog"
	"maps"
	"slices"
)

// Read returns the incidents that a directory holds, oldest first. It may be used by a
// Watcher meanwhile. A file that cannot be read is logged and left out; log may be nil.
func Read(dir string, log *slog.Logger) ([]*Incident, error) {
	if log == nil {
		log = slog.Default()
	}
	return store{dir}.load(log)
}

// Places returns the services and dependencies that the alerts name, sorted.
func (i *Incident) Places() []string {
	places := map[string]bool{}
	for _, a := range i.Alerts {
		if place := a.Place(); place != "" {
			places[place] = true
		}
	}
	return slices.Sorted(maps.Keys(places))
}
