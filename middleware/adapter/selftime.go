package adapter

import (
	"sync"
	"time"

	"github.com/tenhop/tenhop/middleware/internal/marks"
)

// Kinds of dependency, the values of the label dependency_kind.
const (
	KindHTTP     = "http"
	KindGRPC     = "grpc"
	KindDatabase = "database"
	KindCache    = "cache"
	KindPool     = "pool"    // waiting for a free connection
	KindProduce  = "produce" // a produce that blocks its caller
	KindCaller   = "caller"  // reading from or writing to the hop's own caller
)

// Dependency identifies a service or resource that a hop waits for.
type Dependency struct {
	Name string // logical and of low cardinality: "payment", never host:port
	Kind string // one of the Kind constants
}

// Call is one wait of a hop for a dependency. The zero Call does nothing.
type Call struct {
	hop    *Hop
	cell   int32
	serial uint32
}

// End marks the end of the wait. Only the first End has an effect. A wait that
// outlives its hop ends with the hop.
func (c Call) End() {
	if c.hop != nil {
		c.hop.ledger.leave(c.cell, c.serial, c.hop.elapsed())
	}
}

// StartCall marks the start of a wait for dep. It does not allocate.
func (h *Hop) StartCall(dep Dependency) Call {
	if h == nil {
		return Call{}
	}
	cell, serial, ok := h.ledger.enter(dep, h.elapsed())
	if !ok {
		return Call{}
	}
	return Call{hop: h, cell: cell, serial: serial}
}

// ledger holds the union of the intervals in which at least one call was in
// flight, in total and per dependency. All times are offsets from the hop's start
// on the monotonic clock.
type ledger struct {
	mu       sync.Mutex
	closed   bool
	inFlight int32
	free     int32         // first free cell plus one; 0 means none
	used     int32         // cells that were ever used
	since    time.Duration // when inFlight left zero, or reached it again
	covered  time.Duration
	slots    []slot
	inline   [3]slot // spares the allocation for ordinary fan-out
	cells    [4]cell // likewise
	more     *[]cell // cells beyond these
	mark     *marks.Mark
}

// slot holds the waits for one dependency.
type slot struct {
	dep      Dependency
	inFlight int
	since    time.Duration
	waited   time.Duration
}

// cell identifies a call in flight. A cell is reused under another serial, so that
// a second End of its former call is recognized.
type cell struct {
	slot   int32 // of the call; of a free cell the next free one plus one, or 0
	serial uint32
}

// enter opens an interval. It reports false after close.
func (l *ledger) enter(dep Dependency, now time.Duration) (index int32, serial uint32, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, 0, false
	}
	i := l.slotOf(dep)
	// The clock was read before the lock: the time until since may be covered by others.
	if l.inFlight == 0 {
		l.since = max(now, l.since)
		l.mark.Wait()
	}
	l.inFlight++
	s := &l.slots[i]
	if s.inFlight == 0 {
		s.since = max(now, s.since)
	}
	s.inFlight++
	index = l.take()
	c := l.cell(index)
	c.slot = int32(i)
	return index, c.serial, true
}

// leave closes an interval. It does nothing for a call that has ended.
func (l *ledger) leave(index int32, serial uint32, now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.cell(index)
	if l.closed || c.serial != serial {
		return
	}
	s := &l.slots[c.slot]
	if s.inFlight--; s.inFlight == 0 {
		s.waited += max(now-s.since, 0)
		s.since = max(now, s.since)
	}
	if l.inFlight--; l.inFlight == 0 {
		l.covered += max(now-l.since, 0)
		l.since = max(now, l.since)
		l.mark.Own()
	}
	c.serial++
	c.slot, l.free = l.free, index+1
}

// take returns the index of a free cell.
func (l *ledger) take() int32 {
	if l.free > 0 {
		i := l.free - 1
		l.free = l.cell(i).slot
		return i
	}
	i := l.used
	if l.used++; int(i) >= len(l.cells) {
		if l.more == nil {
			l.more = new([]cell)
		}
		*l.more = append(*l.more, cell{})
	}
	return i
}

func (l *ledger) cell(i int32) *cell {
	if int(i) < len(l.cells) {
		return &l.cells[i]
	}
	return &(*l.more)[int(i)-len(l.cells)]
}

// close ends the calls in flight and returns the covered time. The slots may be
// read without the lock from then on.
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

// maxSlots is the number of dependencies of a hop that are told apart. Further ones of a
// kind share the name Overflow. A job that calls the hosts of its users has any number.
const maxSlots = 1024

func (l *ledger) slotOf(dep Dependency) int {
	for i := range l.slots {
		if l.slots[i].dep == dep {
			return i
		}
	}
	if len(l.slots) >= maxSlots && dep.Name != Overflow {
		return l.slotOf(Dependency{Name: Overflow, Kind: dep.Kind})
	}
	if l.slots == nil {
		l.slots = l.inline[:0]
	}
	l.slots = append(l.slots, slot{dep: dep})
	return len(l.slots) - 1
}
