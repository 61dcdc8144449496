package messaging

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// temporary is the name of all destinations whose names a broker generated. The
// semantic conventions define it.
const temporary = "(temporary)"

// destinations holds what all messages of a destination share.
type destinations struct {
	config
	verb   string // "send" or "process"
	family *adapter.Histogram
	active *prometheus.GaugeVec // nil for producers

	mu    sync.RWMutex
	known map[string]*destination // by label value, and by name unless several share the value
}

type destination struct {
	name      string // label value
	shared    bool   // several destinations have this label value
	operation string // "process orders.placed"
	attrs     *adapter.FixedAttributes
	active    prometheus.Gauge
	ok        atomic.Pointer[adapter.Series]
}

// of returns the destination. All temporary ones are one destination, and so are all
// beyond the bound of names: see adapter.Core.Destination.
func (ds *destinations) of(name string) *destination {
	ds.mu.RLock()
	d := ds.known[name]
	ds.mu.RUnlock()
	if d != nil {
		return d
	}
	label, whole := ds.label(name), ds.whole(name)
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if ds.known == nil {
		ds.known = map[string]*destination{}
	}
	if d = ds.known[label]; d == nil {
		d = &destination{name: label, shared: label != whole, operation: ds.verb + " " + label, attrs: ds.attributes(label, ds.verb)}
		if ds.active != nil {
			d.active = ds.active.WithLabelValues(label)
		}
		ds.known[label] = d
	}
	if !d.shared {
		ds.known[name] = d
	}
	return d
}

// whole returns a destination's name on spans, which includes the queue of WithQueue.
func (c *config) whole(name string) string { return joined(name, c.queue) }

// label returns a destination's name as a label value.
func (c *config) label(name string) string {
	if c.queue == "" {
		return c.system.label(c.core, name)
	}
	queue := c.queue
	if c.system.Temporary != nil && c.system.Temporary(queue) {
		if name == queue {
			return temporary
		}
		queue = temporary
	}
	return c.core.Destination(joined(name, queue))
}

// joined returns exchange:queue, the form of the semantic conventions for consumers of
// RabbitMQ. It leaves out the routing key, which may be one per user.
func joined(exchange, queue string) string {
	switch {
	case queue == "" || exchange == queue:
		return exchange
	case exchange == "":
		return queue
	}
	return exchange + ":" + queue
}

func (ds *destinations) seriesOf(d *destination, errorType string) *adapter.Series {
	if errorType != "" {
		return ds.family.With(ds.system.Name, ds.verb, d.name, errorType)
	}
	if s := d.ok.Load(); s != nil {
		return s
	}
	s := ds.family.With(ds.system.Name, ds.verb, d.name, "")
	d.ok.Store(s)
	return s
}

// errorType returns error.type: the broker's error code, or adapter.ErrorType.
func (c *config) errorType(err error) string {
	if err == nil {
		return ""
	}
	if c.system.ErrorType != nil {
		if name := c.system.ErrorType(err); name != "" {
			return name
		}
	}
	return adapter.ErrorType(err)
}
