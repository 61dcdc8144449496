package connectmw

import (
	"strings"
	"sync"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// maxProcedures is the maximum number of procedures with names of their own. Only a proxy
// has more.
const maxProcedures = 1024

// procedures holds what all calls of a procedure share.
type procedures struct {
	series func(p *procedure, status, errorType string) *adapter.Series
	attrs  func(p *procedure) *adapter.FixedAttributes

	mu    sync.RWMutex
	known map[procedureKey]*procedure
}

type procedureKey struct{ name, system string }

// procedure is a procedure in one protocol.
type procedure struct {
	name   string // without the leading slash
	system string
	attrs  *adapter.FixedAttributes
	owner  *procedures
	series sync.Map // of statusKey to *adapter.Series
}

type statusKey struct{ name, errorType string }

// of returns the procedure, or _OTHER beyond the bound.
func (p *procedures) of(full, system string) *procedure {
	key := procedureKey{full, system}
	p.mu.RLock()
	have := p.known[key]
	p.mu.RUnlock()
	if have != nil {
		return have
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxProcedures {
		key.name = adapter.Overflow
	}
	if have = p.known[key]; have != nil {
		return have
	}
	have = &procedure{name: strings.TrimPrefix(key.name, "/"), system: system, owner: p}
	have.attrs = p.attrs(have)
	if p.known == nil {
		p.known = map[procedureKey]*procedure{}
	}
	p.known[key] = have
	return have
}

// seriesOf returns the series of calls that ended in the same way.
func (p *procedure) seriesOf(status, errorType string) *adapter.Series {
	key := statusKey{status, errorType}
	if have, ok := p.series.Load(key); ok {
		return have.(*adapter.Series)
	}
	s := p.owner.series(p, status, errorType)
	p.series.Store(key, s)
	return s
}
