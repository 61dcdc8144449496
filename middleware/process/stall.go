package process

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	stallSeconds = newFamily("hop_process_stall_seconds_total", prometheus.CounterValue,
		"Time by which a timer of the process was late, beyond 25 ms each time: the process was stopped, or had no processor.")
	stallCount = newFamily(Always, prometheus.CounterValue,
		"Number of times that a timer of the process was late by more than 25 ms.")

	stallFamilies = []*family{stallSeconds, stallCount}
)

// A heartbeat wakes up every beat. It notices in its own time what no other signal of a
// process shows: that the process was stopped and continued.
const (
	beat     = 100 * time.Millisecond
	minStall = 25 * time.Millisecond
)

type heartbeat struct {
	seconds atomic.Uint64 // bits of a float64
	count   atomic.Uint64
	stop    chan struct{}
	once    sync.Once
	ended   chan struct{}
}

func startHeartbeat() *heartbeat {
	h := &heartbeat{stop: make(chan struct{}), ended: make(chan struct{})}
	go h.run()
	return h
}

func (h *heartbeat) run() {
	defer close(h.ended)
	timer := time.NewTimer(beat)
	defer timer.Stop()
	for due := time.Now().Add(beat); ; {
		select {
		case <-h.stop:
			return
		case <-timer.C:
		}
		now := time.Now()
		h.late(now.Sub(due))
		due = now.Add(beat)
		timer.Reset(beat)
	}
}

// late records by how much a beat was late. Only run calls it.
func (h *heartbeat) late(by time.Duration) {
	if by < minStall {
		return
	}
	h.seconds.Store(math.Float64bits(math.Float64frombits(h.seconds.Load()) + by.Seconds()))
	h.count.Add(1)
}

func (h *heartbeat) close() {
	h.once.Do(func() { close(h.stop) })
	<-h.ended
}

func (h *heartbeat) collect(s sink) {
	s.value(stallSeconds, math.Float64frombits(h.seconds.Load()))
	s.value(stallCount, float64(h.count.Load()))
}
