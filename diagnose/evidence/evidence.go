// Package evidence holds what metrics tell a diagnosis: series over a stretch of
// time that is cut into steps of equal length. All slices of a series have one
// value per step, the growth of a counter in that step, in seconds or requests.
package evidence

import (
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
)

// Metrics is what the metrics of a stretch of time tell.
type Metrics struct {
	Start   time.Time
	Step    time.Duration
	Steps   int
	Entries []EntrySeries
	Hops    []HopSeries
	Waits   []WaitSeries
	Queues  []QueueSeries
	Calls   []CallSeries

	// RED reports that the metrics hold requests, errors and durations only, and
	// no self times: the added time must be split by traces.
	RED bool

	// Foreign are services that send spans but report no self time.
	Foreign map[string]bool
}

// EntrySeries is the duration of an edge operation. LevelSum and LevelCount, when
// set, hold the same growth by the step in which it was scraped; levels are
// looked for there, since growth that is spread evenly over the time between
// scrapes makes neighbouring steps alike.
type EntrySeries struct {
	result.Entry
	Sum, Count           []float64
	LevelSum, LevelCount []float64
}

// HopSeries is a hop's work for an entry.
type HopSeries struct {
	Service, Operation, Entry, Flow string
	Self, Duration, Count           []float64
}

// WaitSeries is the time that a hop waits for a dependency on behalf of an entry.
type WaitSeries struct {
	Service, Operation, Entry, Flow string
	Dependency, Kind                string
	Sum                             []float64
}

// QueueSeries is the waiting of messages before an operation.
type QueueSeries struct {
	Service, Operation, Entry string
	Sum                       []float64
}

// CallSeries counts the requests that an operation served or, when Dependency is
// set, the calls made to it, and how many of them failed.
type CallSeries struct {
	Service, Operation      string // of a call: the operation called
	Dependency              string
	Count, Failed           []float64
	LevelCount, LevelFailed []float64            // by the step in which they were scraped
	Types                   map[string][]float64 // failures by error.type
}

// At returns the time at which a step starts.
func (m Metrics) At(step int) time.Time { return m.Start.Add(time.Duration(step) * m.Step) }

// Window is a set of steps.
type Window []int

// Sum adds the values of the window's steps.
func (w Window) Sum(v []float64) float64 {
	total := 0.0
	for _, i := range w {
		if i < len(v) {
			total += v[i]
		}
	}
	return total
}

// Steps returns the window from one step to before another.
func Steps(from, to int) Window {
	w := make(Window, 0, max(to-from, 0))
	for i := from; i < to; i++ {
		w = append(w, i)
	}
	return w
}

// Ranges returns the stretches of time that a window consists of.
func (w Window) Ranges(m Metrics) []result.Range {
	var out []result.Range
	for i, step := range w {
		if i == 0 || step != w[i-1]+1 {
			out = append(out, result.Range{From: m.At(step)})
		}
		out[len(out)-1].To = m.At(step + 1)
	}
	return out
}

// Mean returns the mean over the window of a series given as sums and counts; 0
// without requests.
func (w Window) Mean(sum, count []float64) float64 {
	if n := w.Sum(count); n > 0 {
		return w.Sum(sum) / n
	}
	return 0
}

// Plus returns the sum of two series as a slice of its own.
func Plus(a, b []float64) []float64 {
	out := make([]float64, max(len(a), len(b)))
	copy(out, a)
	for i, v := range b {
		out[i] += v
	}
	return out
}
