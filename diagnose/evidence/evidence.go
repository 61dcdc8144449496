// Package evidence holds the series that a diagnosis is computed from. A range of
// time is divided into steps of equal length. Every slice of a series has one value
// per step: the increase of a counter during that step, in seconds or requests.
package evidence

import (
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
)

// Metrics holds all series of a range of time.
type Metrics struct {
	Start   time.Time     // start of the first step
	Step    time.Duration // length of a step
	Steps   int           // number of steps
	Newest  time.Time     // of all scrapes; zero if unknown
	Entries []EntrySeries
	Hops    []HopSeries
	Waits   []WaitSeries
	Queues  []QueueSeries
	Calls   []CallSeries

	// Nodes holds the calls between services, measured at both ends. It is set instead
	// of Hops and Waits if no family has the self time by entry.
	Nodes []NodeSeries

	// Processes holds the scrape targets, and Alerts the alerts that fire at the end of the
	// time.
	Processes []Process
	Alerts    []Alert

	// RED reports that there are rates, errors and durations but no self times.
	// The added time must then be split by traces.
	RED bool

	// Foreign is the set of services that send spans but report no self time.
	Foreign map[string]bool

	// Limits says what could not be read from the metrics, or only derived, in one
	// sentence. Unreadable holds the reason why nothing could be read at all.
	Limits, Unreadable string
}

// EntrySeries holds the requests of an entry and their total duration in seconds.
//
// Sum and Count spread each increase evenly over the interval between two scrapes.
// LevelSum and LevelCount, if set, assign it to the step of the later scrape. The
// search for levels uses them because spreading correlates neighbouring steps. They may
// be longer than Metrics.Steps: of the further steps, only some targets are known.
type EntrySeries struct {
	result.Entry
	Sum, Count           []float64
	LevelSum, LevelCount []float64

	// Histograms holds the histograms of the durations; several add up. If there are
	// none, hop_duration_seconds or hop_completion_duration_seconds has them.
	Histograms []Histogram

	// Buckets holds the histogram of the durations by step, or is nil.
	Buckets *Buckets
}

// Histogram selects the series of a histogram in Prometheus.
type Histogram struct {
	Family   string  // name without _bucket
	Matchers string  // PromQL label matchers without braces
	Unit     float64 // of the observations, in seconds
}

// NodeSeries holds the calls that a service served and made.
type NodeSeries struct {
	Service string
	Served  []TimedCalls // by operation
	Made    []TimedCalls // by operation and target; as complete as is known

	// Edges, if set, holds the calls to other services by target, from a source that
	// knows the targets, where Made does not.
	Edges []TimedCalls
}

// TimedCalls holds a number of calls and their total duration in seconds. Served calls
// have no Target. Known reports that the target is the service of a node.
type TimedCalls struct {
	Operation, Target string
	Known             bool
	Store             bool // the target is a database
	Sum, Count        []float64
}

// HopSeries holds the self time, duration and number of the messages that a hop
// handled for an entry. Flow is "request" or "async".
type HopSeries struct {
	Service, Operation, Entry, Flow string
	Self, Duration, Count           []float64
}

// WaitSeries holds the time that a hop waited for a dependency on behalf of an
// entry. Kind is the kind of dependency, such as "http", "grpc" or "database".
type WaitSeries struct {
	Service, Operation, Entry, Flow string
	Dependency, Kind                string
	Sum                             []float64
}

// QueueSeries holds the queue wait of the records that an operation consumed.
type QueueSeries struct {
	Service, Operation, Entry string
	Sum                       []float64
}

// CallSeries counts requests and the failed ones among them. Without a Dependency
// they are the requests that Service served. With one they are the calls that
// Service made to Dependency.
type CallSeries struct {
	Service, Operation      string // Operation is the operation served or called
	Dependency              string
	Sum                     []float64 // duration in seconds of the calls made; nil if unknown
	Count, Failed           []float64
	LevelCount, LevelFailed []float64            // as in EntrySeries
	Types                   map[string][]float64 // failed requests by error.type
}

// At returns the start of a step.
func (m Metrics) At(step int) time.Time { return m.Start.Add(time.Duration(step) * m.Step) }

// Known returns the steps, which are in order, for which all targets are known.
func (m Metrics) Known(steps Window) Window {
	for len(steps) > 0 && steps[len(steps)-1] >= m.Steps {
		steps = steps[:len(steps)-1]
	}
	return steps
}

// Entry returns the series of an entry, or series without values if it has none.
func (m Metrics) Entry(e result.Entry) EntrySeries {
	for _, s := range m.Entries {
		if s.Service == e.Service && s.Operation == e.Operation && s.Flow == e.Flow {
			return s
		}
	}
	return EntrySeries{Entry: e}
}

// Window is a set of steps in ascending order.
type Window []int

// Sum returns the sum of v over the steps of the window. Steps beyond the end of v
// count as zero.
func (w Window) Sum(v []float64) float64 {
	total := 0.0
	for _, i := range w {
		if i < len(v) {
			total += v[i]
		}
	}
	return total
}

// Steps returns the window of the steps [from, to).
func Steps(from, to int) Window {
	w := make(Window, 0, max(to-from, 0))
	for i := from; i < to; i++ {
		w = append(w, i)
	}
	return w
}

// Ranges returns the window as ranges of time. Consecutive steps form one range.
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

// Mean returns the mean over the window of a series of sums and counts. It is 0 if
// the counts are.
func (w Window) Mean(sum, count []float64) float64 {
	if n := w.Sum(count); n > 0 {
		return w.Sum(sum) / n
	}
	return 0
}

// Plus returns the sum of two series in a new slice, as long as the longer one.
func Plus(a, b []float64) []float64 {
	out := make([]float64, max(len(a), len(b)))
	copy(out, a)
	for i, v := range b {
		out[i] += v
	}
	return out
}
