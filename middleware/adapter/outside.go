package adapter

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// outside counts the calls that were made without the context of a request. Their
// time is self time of the hop that waited for them.
type outside struct {
	counter *prometheus.CounterVec
	limit   int
	hops    atomic.Bool // a hop has begun in this process

	mu   sync.RWMutex
	deps map[Dependency]*outsideCalls
}

// outsideCalls holds the counter of one dependency.
type outsideCalls struct {
	dep     Dependency
	counter prometheus.Counter
	warned  atomic.Bool
}

// maxOutside is the maximum number of dependencies that are counted and warned of
// separately. Further ones share the label value Overflow.
const maxOutside = 256

func newOutside(t *Core) (*outside, error) {
	c, err := register(t, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hop_outside_calls_total",
		Help: "Calls made without the context of a request. Their time counts as self time of the hop that waited for them.", ConstLabels: t.service,
	}, []string{"dependency", "dependency_kind"}), "hop_outside_calls_total")
	if err != nil {
		return nil, err
	}
	return &outside{counter: c, limit: min(maxOutside, t.seriesLimit), deps: map[Dependency]*outsideCalls{}}, nil
}

// served records that the process has handled a message.
func (t *Core) served() {
	if !t.outside.hops.Load() {
		t.outside.hops.Store(true)
	}
}

// CountOutside counts a call to dep that belongs to no request. ClientCall.End does so by
// itself. The first such call to a dependency is logged, except before the first
// request: a service prepares its connections then.
func (t *Core) CountOutside(dep Dependency) { t.countOutside(t.outside.of(dep)) }

func (t *Core) countOutside(c *outsideCalls) {
	c.counter.Inc()
	if t.outside.hops.Load() && !c.warned.Load() && c.warned.CompareAndSwap(false, true) {
		t.slog.Warn("a call was made without the context of a request; when a request waits for it, pass the request's context, or its time counts as self time",
			"dependency", c.dep.Name, "dependency_kind", c.dep.Kind, "metric", "hop_outside_calls_total")
	}
}

// of returns the calls of a dependency.
func (o *outside) of(dep Dependency) *outsideCalls {
	o.mu.RLock()
	c := o.deps[dep]
	o.mu.RUnlock()
	if c == nil {
		c = o.add(dep)
	}
	return c
}

// add returns the calls of a dependency, which share one record beyond the limit.
func (o *outside) add(dep Dependency) *outsideCalls {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c := o.deps[dep]; c != nil {
		return c
	}
	if len(o.deps) >= o.limit {
		dep = Dependency{Name: Overflow, Kind: Overflow}
		if c := o.deps[dep]; c != nil {
			return c
		}
	}
	c := &outsideCalls{dep: dep, counter: o.counter.WithLabelValues(labelValue(dep.Name), labelValue(dep.Kind))}
	o.deps[dep] = c
	return c
}
