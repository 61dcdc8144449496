package diagnose

import "time"

// Evidence is what is known of a stretch of time, cut into steps of equal
// length. All slices of a series have one value a step: what was added to the
// counter in that step, in seconds or requests.
type Evidence struct {
	Start   time.Time
	Step    time.Duration
	Steps   int
	Entries []EntrySeries
	Hops    []HopSeries
	Waits   []WaitSeries
	Queues  []QueueSeries
	Calls   []CallSeries
	Traces  []Trace // of the spiking entry, a handful

	// RED says that entries' requests, errors and durations are all that
	// metrics know: traces have to split them.
	RED bool

	// Foreign are services whose spans exist although they report no self time.
	Foreign map[string]bool
}

// EntrySeries is an edge operation's duration. Levels are looked for in
// LevelSum and LevelCount, where they are given: the same growth by the step in
// which it was scraped, not spread over the time between scrapes, which would
// make neighbouring steps alike.
type EntrySeries struct {
	Entry
	Sum, Count           []float64
	LevelSum, LevelCount []float64
}

// HopSeries is a hop's work for an entry.
type HopSeries struct {
	Service, Operation, Entry, Flow string
	Self, Duration, Count           []float64
}

// WaitSeries is a hop's waiting for a dependency on behalf of an entry.
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

// CallSeries counts what an operation served or, with a dependency, the calls
// to it; and those that failed.
type CallSeries struct {
	Service, Operation      string // of a call: the operation called
	Dependency              string
	Count, Failed           []float64
	LevelCount, LevelFailed []float64            // by the step in which they were scraped
	Types                   map[string][]float64 // failures by error.type
}

// Trace is one request with its spans.
type Trace struct {
	ID    string
	Spans []Span
}

// Search says which traces to look for: those with a span that fits.
type Search struct {
	Service, Operation string
	From, To           time.Time
	Min, Max           time.Duration // of the span; 0 for any
	Failed             bool          // only those that failed
	Limit              int
}

// Span is one operation of a trace.
type Span struct {
	ID, Parent         string
	Service, Operation string
	Kind               string // "server", "client", "producer", "consumer", ""
	Start              time.Time
	Duration           time.Duration
	Failed             bool // its status is an error
	Attributes         map[string]string
}

// at returns the time of the start of a step.
func (e Evidence) at(step int) time.Time { return e.Start.Add(time.Duration(step) * e.Step) }

// window is a set of steps.
type window []int

func (w window) sum(v []float64) float64 {
	total := 0.0
	for _, i := range w {
		if i < len(v) {
			total += v[i]
		}
	}
	return total
}

func steps(from, to int) window {
	w := make(window, 0, max(to-from, 0))
	for i := from; i < to; i++ {
		w = append(w, i)
	}
	return w
}

// ranges returns the stretches of time that a window consists of.
func (w window) ranges(ev Evidence) []Range {
	var out []Range
	for i, step := range w {
		if i == 0 || step != w[i-1]+1 {
			out = append(out, Range{From: ev.at(step)})
		}
		out[len(out)-1].To = ev.at(step + 1)
	}
	return out
}

// Of returns an entry's own span of a trace.
func (t Trace) Of(e Entry) (Span, bool) {
	for _, s := range t.Spans {
		if s.Service == e.Service && s.Operation == e.Operation && s.Kind != "client" {
			return s, true
		}
	}
	return Span{}, false
}

// Completion is the time from a trace's first span to the end of the last span
// of a consumer; false when the consumer has none.
func (t Trace) Completion(c Consumer) (time.Duration, bool) {
	var start, end time.Time
	for i, s := range t.Spans {
		if i == 0 || s.Start.Before(start) {
			start = s.Start
		}
		if done := s.Start.Add(s.Duration); s.Service == c.Service && s.Operation == c.Operation && done.After(end) {
			end = done
		}
	}
	return end.Sub(start), !end.IsZero()
}
