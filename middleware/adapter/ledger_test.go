package adapter

import (
	"strconv"
	"testing"
	"time"
)

// A goroutine may read the clock and get the lock only after another call has ended. The
// time of that call is covered once.
func TestLateLockCoversOnce(t *testing.T) {
	const ms = time.Millisecond
	var l ledger
	db, cache := Dependency{Name: "db", Kind: KindDatabase}, Dependency{Name: "cache", Kind: KindCache}
	call := func(dep Dependency, start, end time.Duration) {
		index, serial, _ := l.enter(dep, start)
		l.leave(index, serial, end)
	}
	call(db, 0, 20*ms)
	call(db, 10*ms, 30*ms)
	call(cache, 25*ms, 40*ms)
	covered, slots := l.close(50 * ms)
	if covered != 40*ms || slots[0].waited != 30*ms || slots[1].waited != 15*ms {
		t.Errorf("covered %v, waits %v and %v, want 40ms, 30ms and 15ms", covered, slots[0].waited, slots[1].waited)
	}
}

// A job may call the hosts of its users, one after the other. Its record stays small, and
// no wait is lost.
func TestDependenciesOfAHopAreBounded(t *testing.T) {
	var l ledger
	const calls = 10 * maxSlots
	for i := range calls {
		index, serial, _ := l.enter(Dependency{Name: strconv.Itoa(i), Kind: KindHTTP}, time.Duration(i)*time.Second)
		l.leave(index, serial, time.Duration(i+1)*time.Second)
	}
	covered, slots := l.close(calls * time.Second)
	var waited time.Duration
	for _, s := range slots {
		waited += s.waited
	}
	if last := slots[len(slots)-1]; len(slots) != maxSlots+1 || last.dep != (Dependency{Name: Overflow, Kind: KindHTTP}) {
		t.Errorf("%d dependencies, the last is %v", len(slots), last.dep)
	}
	if covered != calls*time.Second || waited != covered {
		t.Errorf("covered %v, waited %v, want %v", covered, waited, calls*time.Second)
	}
}
