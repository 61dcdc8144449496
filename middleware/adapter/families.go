package adapter

import (
	"errors"
	"sync"
	"sync/atomic"
)

// families holds the metric families of all hops.
type families struct {
	self, whole, wait, queue, completion *Histogram

	mu   sync.RWMutex
	hops map[hopLabels]*hopSeries // self and whole, resolved together

	entries nameSet // accepted from callers
}

// forget removes the series of an entry that made room for another. A series that comes
// back starts at 0, which PromQL's rate takes for a restart.
func (f *families) forget(entry string) {
	for _, h := range []*Histogram{f.whole, f.wait, f.queue, f.completion} {
		h.forget(entry)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range f.self.forget(entry) {
		delete(f.hops, hopLabels{key[0], key[1], key[2], key[3]})
	}
}

// hopLabels holds the labels that the families of a hop share.
type hopLabels struct{ protocol, operation, entry, flow string }

// hopSeries holds the series of hops with the same labels.
type hopSeries struct {
	labels      hopLabels
	self, whole *Series
	waits       atomic.Pointer[[]waitSeries] // replaced as a whole
	queue       atomic.Pointer[Series]
	completion  atomic.Pointer[Series]
}

type waitSeries struct {
	dep    Dependency
	series *Series
}

// ofHop returns the series of a hop. Labels beyond the limit are looked up each
// time and get the overflow series.
func (f *families) ofHop(l hopLabels) *hopSeries {
	f.mu.RLock()
	s := f.hops[l]
	f.mu.RUnlock()
	if s != nil {
		return s
	}
	key := labelValues{l.protocol, l.operation, l.entry, l.flow}
	s = &hopSeries{labels: l, self: f.self.resolve(key), whole: f.whole.resolve(key)}
	f.mu.Lock()
	defer f.mu.Unlock()
	if have := f.hops[l]; have != nil {
		return have
	}
	if len(f.hops) < f.self.limit {
		f.hops[l] = s
	}
	return s
}

// resolved returns a series that only queued messages have, and keeps it.
func (s *hopSeries) resolved(kept *atomic.Pointer[Series], family *Histogram) *Series {
	if have := kept.Load(); have != nil {
		return have
	}
	series := family.resolve(labelValues{s.labels.operation, s.labels.entry})
	kept.Store(series)
	return series
}

// waitFor returns the series of a wait.
func (s *hopSeries) waitFor(f *families, dep Dependency) *Series {
	have := s.waits.Load()
	if have != nil {
		for i := range *have {
			if (*have)[i].dep == dep {
				return (*have)[i].series
			}
		}
	}
	w := f.wait.resolve(labelValues{s.labels.operation, s.labels.entry, s.labels.flow, dep.Name, dep.Kind})
	var next []waitSeries
	if have != nil {
		next = append(next, *have...)
	}
	if next = append(next, waitSeries{dep, w}); len(next) <= maxWaits {
		s.waits.CompareAndSwap(have, &next) // after a lost race the next caller stores it
	}
	return w
}

// maxWaits is the maximum number of wait series kept per operation.
const maxWaits = 64

func newFamilies(t *Core) (*families, error) {
	f := &families{hops: map[hopLabels]*hopSeries{}, entries: nameSet{limit: maxEntries}}
	f.entries.evict = f.forget
	var errs []error
	add := func(to **Histogram, name, help string, labels ...string) {
		h, err := t.histogram(name, help, hopBuckets, labels)
		*to = h
		errs = append(errs, err)
	}
	add(&f.self, "hop_self_duration_seconds",
		"Time a hop spent itself: its duration minus the union of the intervals in which a downstream call of it was in flight.",
		"protocol", "operation", "entry", "flow")
	add(&f.whole, "hop_duration_seconds", "Whole duration of a hop, by the entry it worked for.",
		"protocol", "operation", "entry", "flow")
	add(&f.wait, "hop_wait_duration_seconds", "Time a hop had calls to one dependency in flight.",
		"operation", "entry", "flow", "dependency", "dependency_kind")
	add(&f.queue, "hop_queue_wait_seconds",
		"Time a message waited: from produced to the start of its processing, or from committed to the outbox to published.",
		"operation", "entry")
	add(&f.completion, "hop_completion_duration_seconds",
		"From the start of the entry to the end of processing of a message that it caused.",
		"operation", "entry")
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	f.self.mu.Lock()
	defer f.self.mu.Unlock()
	if f.self.families == nil { // otherwise another Core has the registry too
		f.self.families = f
	}
	return f.self.families, nil
}
