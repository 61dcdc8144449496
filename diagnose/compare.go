package diagnose

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Suspect is a service that Compare holds responsible.
type Suspect struct {
	Service   string
	Operation string // where it shows
	Kind      string // KindSelf, KindLink or KindFlow
	Score     float64

	step step
}

// KindFlow is a change in what a service does: which calls it makes and which
// lines it logs, and in what order.
const KindFlow = "flow"

// Thresholds of Compare. How much the ranking of the recorded incidents depends
// on each is in docs/diagnosis.md.
const (
	minSpans  = 3   // of a unit on each side, to compare its times
	minT      = 2.0 // Welch's t of a unit's growth
	sharedGap = 0.2 // a caller's other links count as slow from this part on
	minBefore = 5   // traces with an event in the baseline, to compare what follows it
	minAfter  = 3   // and in the time compared with it
	maxWords  = 10  // of a log line
)

// Profile is what Compare keeps of the traces of a time.
type Profile struct {
	traces int
	times  map[unit][]float64 // milliseconds
	steps  map[step]*occurrence
}

// NewProfile returns a Profile of nothing.
func NewProfile() *Profile {
	return &Profile{times: map[unit][]float64{}, steps: map[step]*occurrence{}}
}

// Add takes in a trace and the lines its services logged meanwhile. It needs
// nothing but the spans: no status, kind or attribute.
func (p *Profile) Add(t Trace, logs []LogLine) {
	p.traces++
	parent, root := relations(t)
	p.addTimes(t, parent)
	p.addFlow(t, logs, parent, root)
}

// relations returns, for every span, the index of its parent or -1, and that of
// the span with which its service began the work it belongs to.
func relations(t Trace) (parent, root []int) {
	index := make(map[string]int, len(t.Spans))
	for i, s := range t.Spans {
		index[s.ID] = i
	}
	parent, root = make([]int, len(t.Spans)), make([]int, len(t.Spans))
	for i, s := range t.Spans {
		parent[i] = -1
		if p, ok := index[s.Parent]; ok && s.Parent != "" && p != i {
			parent[i] = p
		}
	}
	for i := range t.Spans {
		root[i] = i
		for range t.Spans { // a cycle ends somewhere
			p := parent[root[i]]
			if p < 0 || t.Spans[p].Service != t.Spans[i].Service {
				break
			}
			root[i] = p
		}
	}
	return parent, root
}

// Compare ranks services by how much worse, and how surely, the traces in now
// are than those in base: by what takes longer and by what is done differently.
func Compare(base, now *Profile) []Suspect {
	best := latency(base, now)
	for service, s := range flow(base, now) {
		if have, ok := best[service]; !ok || s.Score > have.Score {
			best[service] = s
		}
	}
	return slices.SortedFunc(maps.Values(best), func(a, b Suspect) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(a.Service, b.Service))
	})
}
