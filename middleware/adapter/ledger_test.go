package adapter

import (
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
