package hop

import (
	"context"
	"sync"
	"time"
)

// Kinds of dependency, as the label dependency_kind.
const (
	KindHTTP     = "http"
	KindGRPC     = "grpc"
	KindDatabase = "database"
	KindCache    = "cache"
	KindPool     = "pool"    // waiting for a free connection
	KindProduce  = "produce" // a produce that blocks its caller
	KindCaller   = "caller"  // reading from or writing to the hop's own caller
)

// Dependency is what a hop waits for: its logical name ("payment", never
// host:port) and one of the kinds above.
type Dependency struct {
	Name string
	Kind string
}

// ledger keeps the union of the intervals in which at least one call was in
// flight, over all dependencies and for each one. All times are offsets from
// the hop's start on the monotonic clock.
type ledger struct {
	mu       sync.Mutex
	closed   bool
	inFlight int
	since    time.Duration // when inFlight left zero
	covered  time.Duration
	slots    []slot
	inline   [3]slot // spares the allocation for ordinary fan-out
}

type slot struct {
	dep      Dependency
	inFlight int
	since    time.Duration
	waited   time.Duration
}

// enter opens an interval and returns the slot's index, or -1 after close.
func (l *ledger) enter(dep Dependency, now time.Duration) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return -1
	}
	i := l.slotOf(dep)
	if l.inFlight == 0 {
		l.since = now
	}
	l.inFlight++
	s := &l.slots[i]
	if s.inFlight == 0 {
		s.since = now
	}
	s.inFlight++
	return i
}

// leave closes an interval; one that is left after close was cut there.
func (l *ledger) leave(i int, now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || i < 0 || i >= len(l.slots) || l.slots[i].inFlight == 0 {
		return
	}
	s := &l.slots[i]
	if s.inFlight--; s.inFlight == 0 {
		s.waited += max(now-s.since, 0)
	}
	if l.inFlight--; l.inFlight == 0 {
		l.covered += max(now-l.since, 0)
	}
}

// close cuts the calls still in flight and returns the covered time. The
// slots may be read without the lock from then on.
func (l *ledger) close(now time.Duration) (covered time.Duration, slots []slot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		if l.inFlight > 0 {
			l.covered += max(now-l.since, 0)
		}
		for i := range l.slots {
			if s := &l.slots[i]; s.inFlight > 0 {
				s.waited += max(now-s.since, 0)
			}
		}
	}
	return l.covered, l.slots
}

func (l *ledger) slotOf(dep Dependency) int {
	for i := range l.slots {
		if l.slots[i].dep == dep {
			return i
		}
	}
	if l.slots == nil {
		l.slots = l.inline[:0]
	}
	l.slots = append(l.slots, slot{dep: dep})
	return len(l.slots) - 1
}

// Call is one wait of a hop for a dependency. The zero Call does nothing.
type Call struct {
	hop  *Hop
	slot int
}

// StartCall marks the start of a wait for dep in the hop that ctx carries;
// outside a hop it does nothing. It does not allocate.
func StartCall(ctx context.Context, dep Dependency) Call {
	return FromContext(ctx).StartCall(dep)
}

// StartCall is the package's StartCall for a hop already at hand.
func (h *Hop) StartCall(dep Dependency) Call {
	if h == nil {
		return Call{}
	}
	i := h.ledger.enter(dep, h.elapsed())
	if i < 0 {
		return Call{}
	}
	return Call{hop: h, slot: i}
}

// End marks the end of the wait. Calling it after the hop's end has no effect:
// the hop's end cut the wait.
func (c Call) End() {
	if c.hop != nil {
		c.hop.ledger.leave(c.slot, c.hop.elapsed())
	}
}
