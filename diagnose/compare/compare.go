// Package compare ranks the services that may be responsible for a difference between
// the traces of two windows, or between the metrics of a call graph before and after
// an alarm.
package compare

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/trace"
)

// Comparison holds the differences between the traces of two windows.
type Comparison struct {
	Suspects []Suspect // sure ones first, then by score
	Traces   [2]int    // number of traces in the ordinary window and now
}

// Sure reports whether at least one suspect is sure.
func (c Comparison) Sure() bool { return slices.ContainsFunc(c.Suspects, Suspect.Sure) }

// Doubtful reports whether no suspect is sure, but one is likely or a window has
// fewer than 20 traces.
func (c Comparison) Doubtful() bool {
	return !c.Sure() && (min(c.Traces[0], c.Traces[1]) < minTraces || slices.ContainsFunc(c.Suspects, Suspect.Likely))
}

// Suspect is a service that may be responsible for a difference.
type Suspect struct {
	Service   string
	Operation string // the operation that differs
	Kind      Kind
	Target    string  // the other end, for the kind link
	EitherEnd bool    // kind link only: nothing tells whether Service or Target delays the link
	Evidence  string  // the difference in one sentence
	P         float64 // p-value multiplied by the number of tests; may exceed 1

	// BaselineMS and NowMS are the mean times per trace of a link or a self time, in
	// milliseconds.
	BaselineMS, NowMS float64

	Score float64 // size of the difference; it ranks suspects that are equally sure
}

// Sure reports whether P is below 0.005.
func (s Suspect) Sure() bool { return s.P < maxP }

// Likely reports whether P is below 0.05.
func (s Suspect) Likely() bool { return s.P < doubtP }

// Kind is the kind of a difference.
type Kind string

// Kinds of difference.
const (
	Self Kind = "self" // self time
	Link Kind = "link" // time between a caller and its callee
	Flow Kind = "flow" // calls, log lines, or their order
)

// Thresholds of Profiles. docs/accuracy.md lists how the results on recorded incidents
// depend on them.
const (
	maxP        = .005 // corrected p of a sure suspect; durations and transitions together stay below 1 %
	doubtP      = .05  // corrected p of a likely suspect
	minTraces   = 20   // per window; with fewer, finding no difference does not exclude one
	maxUnitP    = .05  // uncorrected p of a unit's growth; units above it are skipped
	marginRatio = 1.25 // growth up to marginRatio × the baseline + marginMS is tolerated
	marginMS    = .5   // milliseconds
	maxWords    = 10   // words kept of a log line
)

// Bounds of a Profile's memory.
const (
	maxSamples     = 4096    // durations per unit
	maxTransitions = 200_000 // distinct transitions; further ones are not counted
)

// Profile summarises the traces of a window: a sample of the durations of each unit,
// and counts of transitions. Its size grows with the number of distinct operations,
// not with the number of traces. It is not safe for concurrent use.
type Profile struct {
	traces      int
	times       map[unit]*selfTimes
	transitions map[transition]*occurrence
	calls       map[call]string     // names of the events that are calls
	called      map[string]endpoint // callees by name of the event
	tree        trace.Tree
}

// NewProfile returns an empty profile.
func NewProfile() *Profile {
	return &Profile{times: map[unit]*selfTimes{}, transitions: map[transition]*occurrence{},
		calls: map[call]string{}, called: map[string]endpoint{}}
}

// Add adds a trace and the lines that its services logged for it. It uses only the
// services, operations, parents and times of the spans. A trace without spans is
// ignored.
func (p *Profile) Add(t trace.Trace, logs []LogLine) {
	if len(t.Spans) == 0 {
		return
	}
	p.traces++
	parent, root := trace.Relations(&t)
	p.addTimes(t, parent)
	p.addFlow(t, logs, parent, root)
}

// Profiles compares the traces of an ordinary window with those of now. It tests the
// self times of operations, the gaps of links, and the transitions between events.
// Each service has at most one suspect.
func Profiles(base, now *Profile) Comparison {
	best := latency(base, now)
	for service, s := range flow(base, now) {
		putStronger(best, service, s)
	}
	return Comparison{Traces: [2]int{base.traces, now.traces}, Suspects: slices.SortedFunc(maps.Values(best), func(a, b Suspect) int {
		return cmp.Or(-a.compare(b), strings.Compare(a.Service, b.Service))
	})}
}

// compare returns 1 if s ranks before o and -1 if it ranks after o. Sure suspects
// come first, then higher scores.
func (s Suspect) compare(o Suspect) int {
	if s.Sure() != o.Sure() {
		if s.Sure() {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(s.Score, o.Score), cmp.Compare(o.P, s.P))
}

// putStronger stores s under k unless a stronger suspect is there. Of equally strong
// ones it keeps the first by name, in whatever order they come.
func putStronger[K comparable](best map[K]Suspect, k K, s Suspect) {
	have, ok := best[k]
	if !ok || cmp.Or(s.compare(have), strings.Compare(have.Operation, s.Operation), cmp.Compare(have.Kind, s.Kind),
		strings.Compare(have.Target, s.Target), strings.Compare(have.Evidence, s.Evidence)) > 0 {
		best[k] = s
	}
}
