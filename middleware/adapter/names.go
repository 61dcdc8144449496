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

	seen atomic.Pointer[map[string]*name] // replaced as a whole, since it is read for each message

	mu     sync.Mutex // of changes, and of what follows
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
	seen := n.names()
	if v := seen[value]; v != nil {
		v.uses.Add(1)
		return v
	}
	if len(seen) >= n.limit && n.evict == nil || value == Overflow {
		return overflow
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	seen = n.names()
	if v := seen[value]; v != nil {
		v.uses.Add(1)
		return v
	}
	uses := uint32(1)
	if n.evict != nil {
		n.age(now.Unix())
		uses = n.recent.add(value)
	}
	var least *name
	if len(seen) >= n.limit {
		if least = n.leastUsed(uses); least == nil {
			return overflow
		}
	}
	next := make(map[string]*name, len(seen)+1)
	for k, v := range seen {
		if v != least {
			next[k] = v
		}
	}
	v := &name{value: value}
	v.uses.Store(uses)
	next[value] = v
	if least != nil {
		least.gone.Store(true)
	}
	n.seen.Store(&next)
	if least != nil {
		n.evict(least.value)
	}
	return v
}

// names returns the names, which must not be changed.
func (n *nameSet) names() map[string]*name {
	if seen := n.seen.Load(); seen != nil {
		return *seen
	}
	return nil
}

// inUse is the number of uses that protects a name from those that are used less.
const inUse = 4

// leastUsed returns the least used name, which may be evicted. It returns nil when that is
// in use and more often than uses.
func (n *nameSet) leastUsed(uses uint32) *name {
	if n.evict == nil {
		return nil
	}
	var least *name
	for _, v := range n.names() {
		if least == nil || v.uses.Load() < least.uses.Load() {
			least = v
		}
	}
	if least == nil || least.uses.Load() >= max(inUse, uses+1) {
		return nil
	}
	return least
}

// age halves all uses once per period.
func (n *nameSet) age(seconds int64) {
	periods := (seconds - n.aged) / agePeriod
	if periods <= 0 {
		return
	}
	n.aged = seconds
	for _, v := range n.names() {
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
