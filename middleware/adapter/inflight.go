package adapter

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// inFlight holds the hops that have begun and not ended. A hop that never ends shows in no
// histogram; here it grows old. The hops are in lists, so that neither begin nor end
// allocates.
type inFlight struct {
	core   *Core
	shards [8]inFlightShard

	active, oldest *prometheus.Desc

	mu    sync.Mutex // of known
	known map[activeLabels]bool
}

type inFlightShard struct {
	mu   sync.Mutex
	head *Hop
	_    [48]byte // a cache line of its own
}

// listed links a hop into its shard's list.
type listed struct {
	in         *inFlightShard // nil: in none
	next, prev *Hop
}

type activeLabels struct{ protocol, operation string }

// maxActive is the maximum number of operations that are reported. Further ones share
// Overflow.
const maxActive = 100

func newInFlight(t *Core) (*inFlight, error) {
	labels := []string{"protocol", "operation"}
	f := &inFlight{core: t, known: map[activeLabels]bool{},
		active: prometheus.NewDesc("hop_active_requests",
			"Messages that a hop is handling. The operation is empty while no route is known.", labels, t.service),
		oldest: prometheus.NewDesc("hop_oldest_request_age_seconds",
			"Age of the oldest message that a hop is handling; 0 without any.", labels, t.service),
	}
	return register(t, f, "hop_active_requests")
}

func (f *inFlight) add(h *Hop) {
	s := &f.shards[rand.Uint32()%uint32(len(f.shards))]
	s.mu.Lock()
	h.listed = listed{in: s, next: s.head}
	if s.head != nil {
		s.head.listed.prev = h
	}
	s.head = h
	s.mu.Unlock()
}

// remove removes a hop that add has added, if it did.
func (f *inFlight) remove(h *Hop) {
	s := h.listed.in
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &h.listed
	if l.prev != nil {
		l.prev.listed.next = l.next
	} else {
		s.head = l.next
	}
	if l.next != nil {
		l.next.listed.prev = l.prev
	}
	l.next, l.prev = nil, nil
}

var _ prometheus.Collector = (*inFlight)(nil)

// Describe implements prometheus.Collector.
func (f *inFlight) Describe(to chan<- *prometheus.Desc) {
	to <- f.active
	to <- f.oldest
}

// Collect implements prometheus.Collector. An operation that was in flight at an earlier
// scrape is reported further, with zeros.
func (f *inFlight) Collect(to chan<- prometheus.Metric) {
	type state struct {
		n     int
		since time.Time
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now, found := f.core.Now(), map[activeLabels]state{}
	for i := range f.shards {
		s := &f.shards[i]
		s.mu.Lock()
		for h := s.head; h != nil; h = h.listed.next {
			k := f.labels(activeLabels{h.protocol, labelValue(h.knownOperation())})
			have := found[k]
			if have.n++; have.n == 1 || h.start.Before(have.since) {
				have.since = h.start
			}
			found[k] = have
		}
		s.mu.Unlock()
	}
	for _, k := range slices.Collect(maps.Keys(f.known)) {
		have, age := found[k], 0.0
		if have.n > 0 {
			age = max(now.Sub(have.since).Seconds(), 0)
		}
		to <- prometheus.MustNewConstMetric(f.active, prometheus.GaugeValue, float64(have.n), k.protocol, k.operation)
		to <- prometheus.MustNewConstMetric(f.oldest, prometheus.GaugeValue, age, k.protocol, k.operation)
	}
}

// labels notes the labels as known, or returns those of the overflow.
func (f *inFlight) labels(k activeLabels) activeLabels {
	if !f.known[k] && len(f.known) >= maxActive {
		k = activeLabels{Overflow, Overflow}
	}
	f.known[k] = true
	return k
}

// knownOperation returns the operation as far as the hop's own goroutines have asked for
// it. A router must not be asked from another goroutine.
func (h *Hop) knownOperation() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.operation == "" {
		return h.routed
	}
	return h.operation
}
