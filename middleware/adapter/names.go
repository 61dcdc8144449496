package adapter

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxEntries      = 100
	maxDestinations = 512
	maxHosts        = 256
)

// nameSet caps the number of distinct names from outside the process that become
// label values.
type nameSet struct {
	limit int
	evict func(value string) // removes a name's series; nil means that names stay for good

	mu     sync.RWMutex
	seen   map[string]*name
	recent sketch
	aged   int64 // Unix seconds of the last halving of all uses
}

// name is a name of a nameSet.
type name struct {
	value string
	uses  atomic.Uint32 // halved every agePeriod
	gone  atomic.Bool   // evicted
}

// label returns the name's label value. A hop that began before the name was evicted
// must not bring its series back.
func (n *name) label() string {
	if n.gone.Load() {
		return Overflow
	}
	return n.value
}

var overflow = &name{value: Overflow}

// agePeriod is the number of seconds after which a use of a name counts half.
const agePeriod = 60

// intern returns the name, or overflow when the set is full and lacks it. A set with
// eviction makes room for a name when the least used one was used no more often of late,
// or hardly at all. So callers that make up names can fill the set neither for good nor at the
// cost of names in use.
func (n *nameSet) intern(value string, now time.Time) *name {
	n.mu.RLock()
	v := n.seen[value]
	full := len(n.seen) >= n.limit
	n.mu.RUnlock()
	if v != nil {
		v.uses.Add(1)
		return v
	}
	if full && n.evict == nil || value == Overflow {
		return overflow
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen == nil {
		n.seen = map[string]*name{}
	}
	if v := n.seen[value]; v != nil {
		v.uses.Add(1)
		return v
	}
	uses := uint32(1)
	if n.evict != nil {
		n.age(now.Unix())
		uses = n.recent.add(value)
	}
	if len(n.seen) >= n.limit && !n.makeRoom(uses) {
		return overflow
	}
	v = &name{value: value}
	v.uses.Store(uses)
	n.seen[value] = v
	return v
}

// inUse is the number of uses that protects a name from those that are used less.
const inUse = 4

// makeRoom evicts the least used name, unless it is in use and more often than uses.
func (n *nameSet) makeRoom(uses uint32) bool {
	if n.evict == nil {
		return false
	}
	var least *name
	for _, v := range n.seen {
		if least == nil || v.uses.Load() < least.uses.Load() {
			least = v
		}
	}
	if least == nil || least.uses.Load() >= max(inUse, uses+1) {
		return false
	}
	least.gone.Store(true)
	delete(n.seen, least.value)
	n.evict(least.value)
	return true
}

// age halves all uses once per period.
func (n *nameSet) age(seconds int64) {
	periods := (seconds - n.aged) / agePeriod
	if periods <= 0 {
		return
	}
	n.aged = seconds
	for _, v := range n.seen {
		v.uses.Store(v.uses.Load() >> min(periods, 31))
	}
	n.recent.age(min(periods, 8))
}

// sketch estimates how often names were used that are not in the set (a count-min
// sketch). Its size does not depend on their number.
type sketch [4][2048]uint8

var sketchSeed = maphash.MakeSeed()

// add counts a use and returns the estimate with it, which is never too low below 255.
func (s *sketch) add(value string) uint32 {
	h := maphash.String(sketchSeed, value)
	least := uint8(255)
	for i := range s {
		least = min(least, s[i][h>>(16*i)&2047])
	}
	if least == 255 {
		return 255
	}
	for i := range s {
		if c := &s[i][h>>(16*i)&2047]; *c == least {
			*c++
		}
	}
	return uint32(least) + 1
}

func (s *sketch) age(periods int64) {
	for i := range s {
		for j := range s[i] {
			s[i][j] >>= periods
		}
	}
}
