// Package sample keeps a bounded sample of requests, measured from their traces,
// and splits what requests of one time take longer than those of another: over
// the parts that their answers waited for, over quantiles, and over the mix of
// requests.
package sample

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/trace"
)

// Sample holds requests measured from their traces. It grows with the entries and
// the time that they span, not with the number of traces: of each step it keeps
// the sums of all requests and a random few of them.
type Sample struct {
	step    time.Duration
	measure *measurer
	rng     *rand.Rand
	parts   []part
	number  map[part]int32
	entries map[entryKey]steps
	known   map[string]bool    // services that have spans
	before  map[entryKey]steps // of the baseline that EndBaseline set aside
	traces  int
	spans   int
}

type entryKey struct{ service, operation string }

// steps are those of an entry, by their number since 1970.
type steps map[int64]*step

type step struct {
	count, failed int
	took          time.Duration
	kept          []request
}

// request is one request of the sample.
type request struct {
	took   time.Duration
	failed bool
	costs  []partCost
	trace  trace.Trace // without spans when enough others of the step have theirs
	root   int         // index of its entry's span
}

// partCost is the time that a request's answer waited for a part, by number.
type partCost struct {
	part int32
	n    int32
	time time.Duration
}

// Requests that are kept of a step with their costs, and of those with their spans.
const (
	keptRequests = 32
	keptTraces   = 8
)

// stepLength is as fine as the steps of metrics.
const stepLength = 2 * time.Second

// New returns an empty sample.
func New() *Sample {
	return &Sample{step: stepLength, measure: newMeasurer(), rng: rand.New(rand.NewPCG(3, 4)), number: map[part]int32{},
		entries: map[entryKey]steps{}, known: map[string]bool{}}
}

// Size returns how many traces and spans have been added.
func (s *Sample) Size() (traces, spans int) { return s.traces, s.spans }

// Add adds a trace. One without spans, or with nothing but a cycle of spans, is
// left out.
func (s *Sample) Add(t trace.Trace) {
	root := s.measure.load(&t)
	if root == trace.None {
		return
	}
	s.traces++
	s.spans += len(t.Spans)
	s.know(t)
	span, took := &t.Spans[root], s.measure.took(root)
	k := entryKey{span.Service, span.Operation}
	p := s.entries[k]
	if p == nil {
		p = steps{}
		s.entries[k] = p
	}
	// As metrics do, a request counts when it ends.
	at := span.Start.Add(took).UnixNano() / int64(s.step)
	c := p[at]
	if c == nil {
		c = &step{}
		p[at] = c
	}
	c.count++
	c.took += took
	if span.Failed {
		c.failed++
	}
	// Algorithm R (Vitter 1985): every request is as likely to be kept.
	place := len(c.kept)
	if place == keptRequests {
		if place = s.rng.IntN(c.count); place >= keptRequests {
			return
		}
	} else {
		c.kept = append(c.kept, request{})
	}
	c.kept[place] = s.request(root, place < keptTraces)
}

// request measures what the loaded trace's request waited for from a span on.
func (s *Sample) request(root int, keep bool) request {
	t := s.measure.trace
	r := request{took: s.measure.took(root), failed: t.Spans[root].Failed, trace: trace.Trace{ID: t.ID}, root: root}
	if keep {
		r.trace.Spans = t.Spans
	}
	path := s.measure.path(root)
	r.costs = make([]partCost, len(path))
	for i, c := range path {
		r.costs[i] = partCost{part: s.numberOf(c.part), n: int32(c.n), time: c.time}
	}
	return r
}

// know notes which services have spans.
func (s *Sample) know(t trace.Trace) {
	for i := range t.Spans {
		if name := t.Spans[i].Service; !s.known[name] {
			s.known[strings.Clone(name)] = true
		}
	}
}

func (s *Sample) numberOf(p part) int32 {
	n, ok := s.number[p]
	if !ok {
		n = int32(len(s.parts))
		s.parts = append(s.parts, p)
		s.number[p] = n
	}
	return n
}

// Series returns the series of the sample's entries: durations, requests and
// failures.
func (s *Sample) Series() evidence.Metrics {
	first, last := bounds(s.entries)
	m := evidence.Metrics{Start: time.Unix(0, first*int64(s.step)).UTC(), Step: s.step, Steps: int(last - first + 1), Foreign: map[string]bool{}}
	merge := 1
	for m.Steps/merge > maxSteps {
		merge *= 2
	}
	m.Step *= time.Duration(merge)
	m.Steps = (m.Steps + merge - 1) / merge
	for _, k := range slices.SortedFunc(maps.Keys(s.entries), func(x, y entryKey) int {
		return cmp.Or(strings.Compare(x.service, y.service), strings.Compare(x.operation, y.operation))
	}) {
		e := evidence.EntrySeries{Entry: result.Entry{Service: k.service, Operation: k.operation}, Sum: make([]float64, m.Steps), Count: make([]float64, m.Steps)}
		failed := make([]float64, m.Steps)
		for at, c := range s.entries[k] {
			i := int(at-first) / merge
			e.Sum[i] += c.took.Seconds()
			e.Count[i] += float64(c.count)
			failed[i] += float64(c.failed)
		}
		m.Entries = append(m.Entries, e)
		m.Calls = append(m.Calls, evidence.CallSeries{Service: k.service, Operation: k.operation, Count: e.Count, Failed: failed})
	}
	return m
}

// maxSteps bounds the search for levels, which is quadratic.
const maxSteps = 600

// During returns the kept requests of an entry in the given times, each weighted
// by the number of requests that it stands for.
func (s *Sample) During(e result.Entry, times []result.Range) Requests {
	p := s.entries[entryKey{e.Service, e.Operation}]
	if p == nil {
		return Requests{}
	}
	var out Requests
	for _, at := range slices.Sorted(maps.Keys(p)) {
		when := time.Unix(0, at*int64(s.step))
		if slices.ContainsFunc(times, func(r result.Range) bool { return !when.Before(r.From) && when.Before(r.To) }) {
			c := p[at]
			for _, r := range c.kept {
				out.add(r, float64(c.count)/float64(len(c.kept)))
			}
		}
	}
	return out
}
