// Package compare compares the traces of two times, or the metrics of a call graph
// before and after an alarm, and ranks the services that may be responsible.
package compare

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/trace"
)

// Comparison is what differs between the traces of two times.
type Comparison struct {
	Suspects []Suspect // those that chance does not explain first
	Traces   [2]int    // of the ordinary time and of now
}

// Sure reports whether chance is ruled out for a suspect.
func (c Comparison) Sure() bool { return slices.ContainsFunc(c.Suspects, Suspect.Sure) }

// Doubtful reports whether nothing is sure although something may differ, or there
// are too few traces to tell.
func (c Comparison) Doubtful() bool {
	return !c.Sure() && (min(c.Traces[0], c.Traces[1]) < minTraces || slices.ContainsFunc(c.Suspects, Suspect.Likely))
}

// Suspect is a service that may be responsible for a difference.
type Suspect struct {
	Service   string
	Operation string // where it shows
	Kind      Kind
	Target    string  // the other end of a link
	Evidence  string  // the difference in one sentence
	P         float64 // of chance, multiplied by the number of tests; may pass 1
	Score     float64 // how much worse, among suspects that are as sure
}

// Sure reports whether chance is ruled out.
func (s Suspect) Sure() bool { return s.P < maxP }

// Likely reports whether chance is an unlikely explanation, if not ruled out.
func (s Suspect) Likely() bool { return s.P < doubtP }

// Kind is what of a service differs.
type Kind string

// Kinds.
const (
	Self Kind = "self" // its own time
	Link Kind = "link" // the time between a caller and its callee
	Flow Kind = "flow" // the calls it makes, its log lines, or their order
)

// Thresholds of Profiles. How much the results on recorded incidents depend on
// each is in docs/diagnosis.md.
const (
	maxP        = .005 // of a finding that is sure: 1 % for times and steps together
	doubtP      = .05  // from here on nothing is suspected
	minTraces   = 20   // on each side: with fewer, nothing found means nothing
	maxChance   = .05  // p of a unit's growth, not corrected, to consider it at all
	marginRatio = 1.25 // a unit that takes this much of its time before,
	marginMS    = .5   // and this many milliseconds more, is no worse
	sharedGap   = .2   // a caller's other links count as slow from this part on
	maxWords    = 10   // of a log line
)

// Bounds of a Profile's memory.
const (
	maxSamples = 4096    // of a unit's times
	maxSteps   = 200_000 // different ones, after which new ones are not counted
)

// Profile summarises the traces of a time: a sample of the times of each unit, and
// counts. It grows with what is distinct, not with the number of traces.
type Profile struct {
	traces int
	times  map[unit]*spent
	steps  map[step]*occurrence
	calls  map[call]string  // names of events
	called map[string]entry // by the name of the event
	tree   trace.Tree
}

// NewProfile returns an empty profile.
func NewProfile() *Profile {
	return &Profile{times: map[unit]*spent{}, steps: map[step]*occurrence{}, calls: map[call]string{}, called: map[string]entry{}}
}

// Add adds a trace and the lines that its services logged meanwhile. Only the
// spans' services, operations and times are used.
func (p *Profile) Add(t trace.Trace, logs []LogLine) {
	if len(t.Spans) == 0 {
		return
	}
	p.traces++
	parent, root := trace.Relations(&t)
	p.addTimes(t, parent)
	p.addFlow(t, logs, parent, root)
}

// Profiles compares the traces of two times, by what takes longer and by what is
// done differently.
func Profiles(base, now *Profile) Comparison {
	best := latency(base, now)
	for service, s := range flow(base, now) {
		put(best, service, s)
	}
	return Comparison{Traces: [2]int{base.traces, now.traces}, Suspects: slices.SortedFunc(maps.Values(best), func(a, b Suspect) int {
		return cmp.Or(-a.compare(b), strings.Compare(a.Service, b.Service))
	})}
}

// compare orders suspects: what is sure first, then by score.
func (s Suspect) compare(o Suspect) int {
	if s.Sure() != o.Sure() {
		if s.Sure() {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(s.Score, o.Score), cmp.Compare(o.P, s.P))
}

// put keeps the stronger of two suspects.
func put[K comparable](best map[K]Suspect, k K, s Suspect) {
	if have, ok := best[k]; !ok || s.compare(have) > 0 {
		best[k] = s
	}
}
