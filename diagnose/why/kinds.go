package why

import (
	"golang.org/x/exp/trace"

	"github.com/tenhop/tenhop/diagnose/result"
)

// kind is a state of a goroutine.
type kind uint8

const (
	unclassified kind = iota // a wait, before its reason was read
	running
	runnable
	lock
	channel
	syscall
	network
	collector
	sleep
	other
	kinds
)

// names are the kinds in results.
var names = [kinds]string{running: result.OwnRunning, runnable: result.OwnRunnable, lock: result.OwnLock, channel: result.OwnChannel,
	syscall: result.OwnSyscall, network: result.OwnNetwork, collector: result.OwnGC, sleep: result.OwnSleep, other: result.OwnOther, unclassified: result.OwnOther}

// kindOf returns what a wait is for, by the runtime's reason. joins reports a wait for
// other goroutines, which may be followed.
func (r *recording) kindOf(s *state) (k kind, joins bool) {
	switch s.reason {
	case "network":
		return network, false
	case "sleep":
		return sleep, false
	case "GC mark assist wait for work", "wait until GC ends", "GC background sweeper wait", "GC weak to strong wait", "preempted": // for the scan of its stack
		return collector, false
	case "sync":
		switch {
		case r.stacks.has(s.stack, "sync.(*WaitGroup)."):
			return channel, true
		case r.stacks.collects(s.stack):
			return collector, false
		}
		return lock, false
	case "sync.(*Cond).Wait":
		return channel, true
	case "select", "chan receive", "chan send":
		if s.waker == trace.NoGoroutine && s.wakerAt == 0 && s.to < r.whole.to {
			return sleep, false // a timer has ended it: it fires in no goroutine
		}
		return channel, true
	}
	return other, false
}
