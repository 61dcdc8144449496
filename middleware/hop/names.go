package hop

import "sync"

const (
	maxEntries      = 100
	maxDestinations = 512
)

// nameSet caps the distinct names from outside that a process makes labels of.
type nameSet struct {
	limit int

	mu   sync.RWMutex
	seen map[string]string
}

// intern returns the name as a bounded label value.
func (n *nameSet) intern(name string) string {
	n.mu.RLock()
	v, ok := n.seen[name]
	full := len(n.seen) >= n.limit
	n.mu.RUnlock()
	if ok {
		return v
	}
	if full {
		return Overflow
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen == nil {
		n.seen = map[string]string{}
	}
	if len(n.seen) >= n.limit {
		return Overflow
	}
	n.seen[name] = name
	return name
}

// Destination returns the name of a queue, topic or exchange as a label value:
// itself for the first 512 of a process, then _OTHER. It is for adapters of
// message brokers, whose labels agree that way.
func (t *Telemetry) Destination(name string) string { return t.queues.intern(name) }

// Telemetry returns what the hop reports to; nil for a nil Hop.
func (h *Hop) Telemetry() *Telemetry {
	if h == nil {
		return nil
	}
	return h.t
}
