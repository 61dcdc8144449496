package grpcmw

import (
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/codes"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// maxMethods is the maximum number of methods with names of their own. Only a proxy
// sees more, since its callers may invent names.
const maxMethods = 1024

// methods holds what all calls of a method share.
type methods struct {
	series func(method, status, errorType string) *adapter.Series
	attrs  func(method string) *adapter.FixedAttributes

	mu    sync.RWMutex
	known map[string]*method
}

// method holds the name of an RPC method without its leading slash, the attributes
// of its spans and its series per status code.
type method struct {
	name  string
	owner *methods
	attrs *adapter.FixedAttributes
	codes [len(statusNames)]atomic.Pointer[adapter.Series]
}

func newMethods(series func(method, status, errorType string) *adapter.Series, attrs func(method string) *adapter.FixedAttributes) *methods {
	m := &methods{series: series, attrs: attrs, known: map[string]*method{}}
	m.known[adapter.Overflow] = m.named(adapter.Overflow)
	return m
}

// of returns the method, or _OTHER beyond the bound.
func (m *methods) of(full string) *method {
	m.mu.RLock()
	known := m.known[full]
	m.mu.RUnlock()
	if known != nil {
		return known
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if known = m.known[full]; known != nil {
		return known
	}
	if len(m.known) >= maxMethods {
		return m.known[adapter.Overflow]
	}
	known = m.named(methodName(full))
	m.known[full] = known
	return known
}

func (m *methods) named(name string) *method {
	return &method{name: name, owner: m, attrs: m.attrs(name)}
}

// unknown returns the method _OTHER.
func (m *methods) unknown() *method {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.known[adapter.Overflow]
}

// seriesOf returns the series of calls that ended with a code. A panic has an error
// type of its own. It is rare enough to be looked up each time.
func (m *method) seriesOf(code codes.Code, errorType string) *adapter.Series {
	name := statusName(code)
	if int(code) >= len(m.codes) || errorType == adapter.ErrorPanic {
		return m.owner.series(m.name, name, errorType)
	}
	if s := m.codes[code].Load(); s != nil {
		return s
	}
	s := m.owner.series(m.name, name, errorType)
	m.codes[code].Store(s)
	return s
}
