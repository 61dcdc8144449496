package adapter

import "sync"

const (
	maxEntries      = 100
	maxDestinations = 512
)

// nameSet caps the number of distinct names from outside the process that become
// label values.
type nameSet struct {
	limit int

	mu   sync.RWMutex
	seen map[string]string
}

// intern returns name, or Overflow when the set is full and lacks it.
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
