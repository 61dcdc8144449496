package kafkamw

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/tenhop/tenhop/middleware/hop"
)

// maxTopics bounds the topics that get series of their own; records of further
// ones count under _OTHER.
const maxTopics = 512

// topics resolves what is the same for all records of a topic, once.
type topics struct {
	verb   string // "send" or "process"
	group  string // of consumers
	series func(topic, errorType string) *hop.Series
	active *prometheus.GaugeVec // nil for producers

	mu    sync.RWMutex
	known map[string]*topic
}

type topic struct {
	name      string // label value
	operation string // "process orders.placed"
	attrs     *hop.FixedAttributes
	active    prometheus.Gauge
	ok        atomic.Pointer[hop.Series]
}

// of returns the topic, or the one that stands for all beyond the bound.
func (ts *topics) of(name string) *topic {
	ts.mu.RLock()
	t := ts.known[name]
	ts.mu.RUnlock()
	if t != nil {
		return t
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t = ts.known[name]; t != nil {
		return t
	}
	if len(ts.known) >= maxTopics {
		name = hop.Overflow
		if t = ts.known[name]; t != nil {
			return t
		}
	}
	t = &topic{name: name, operation: ts.verb + " " + name, attrs: attributes(name, ts.verb, ts.group)}
	if ts.active != nil {
		t.active = ts.active.WithLabelValues(name)
	}
	if ts.known == nil {
		ts.known = map[string]*topic{}
	}
	ts.known[name] = t
	return t
}

func (ts *topics) seriesOf(t *topic, errorType string) *hop.Series {
	if errorType != "" {
		return ts.series(t.name, errorType)
	}
	if s := t.ok.Load(); s != nil {
		return s
	}
	s := ts.series(t.name, "")
	t.ok.Store(s)
	return s
}

// errorType is error.type: the broker's error code, what ended the context, or
// the type of the innermost error. An error's text is of no use as a label.
func errorType(err error) string {
	if err == nil {
		return ""
	}
	var broker *kerr.Error
	switch {
	case errors.As(err, &broker):
		return broker.Message
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return fmt.Sprintf("%T", err)
}
