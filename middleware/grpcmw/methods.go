package grpcmw

import (
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/codes"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// maxMethods bounds the methods that get names of their own. A program has as
// many as its contracts say; only a proxy sees names that its callers invent.
const maxMethods = 1024

// methods resolves what is the same for all calls of a method, once.
type methods struct {
	series func(method, status, errorType string) *adapter.Series
	attrs  func(method string) *adapter.FixedAttributes

	mu    sync.RWMutex
	known map[string]*method
}

// method is one RPC method: its name without the leading slash, the attributes of
// its spans and the series of each code that its calls ended with.
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

// of returns the method, or the one that stands for all beyond the bound.
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

// unknown stands for methods that the server does not implement itself.
func (m *methods) unknown() *method {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.known[adapter.Overflow]
}

// seriesOf returns the series of calls that ended with a code. A panic is an
// error type of its own and rare enough to be resolved each time.
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
