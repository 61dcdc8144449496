// Package sample keeps a bounded sample of requests, measured from their traces. It
// splits the difference in duration between the requests of two windows by the
// contributions on their critical paths, by quantile, and by the mix of requests.
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

// Sample holds requests measured from their traces. For each entry and step of 2 s it
// keeps the sums of all requests and a random sample of them. Its size grows with the
// number of entries and steps, not with the number of traces. It is not safe for
// concurrent use.
type Sample struct {
	step    time.Duration
	measure *measurer
	rng     *rand.Rand
	places  []place
	number  map[place]int32
	entries map[entryKey]steps
	known   map[string]bool    // services that have spans
	before  map[entryKey]steps // of the baseline that EndBaseline set aside
	traces  int
	spans   int

	misdated int // traces left out
	chosen   int // traces that were chosen by their duration or errors
}

type entryKey struct{ service, operation string }

func compareEntries(x, y entryKey) int {
	return cmp.Or(strings.Compare(x.service, y.service), strings.Compare(x.operation, y.operation))
}

// steps holds the steps of an entry by their number since 1970.
type steps map[int64]*step

// step holds the requests that ended in a step.
type step struct {
	traces        int
	count, failed float64 // requests that the traces stand for
	squares       float64 // sum of the squares of the traces' weights
	took          float64 // seconds, total of all requests
	kept          []request
}

// request is one request of the sample.
type request struct {
	took   time.Duration
	weight float64 // of the trace
	failed bool
	costs  []placeCost
	fans   []fanOut
	links  []linkCost
	trace  trace.Trace // without spans if the step keeps enough of them
	root   int         // index of its entry's span
}

// placeCost is a cost whose place is given by its index in Sample.places.
type placeCost struct {
	place     int32
	n, spans  int32
	time, all time.Duration
}

// Bounds of a step.
const (
	keptRequests = 32 // requests with their costs
	keptTraces   = 8  // those of them that keep their spans
)

// stepLength equals the finest step of series read from metrics.
const stepLength = 2 * time.Second

// New returns an empty sample.
func New() *Sample {
	return &Sample{step: stepLength, measure: newMeasurer(), rng: rand.New(rand.NewPCG(3, 4)), number: map[place]int32{},
		entries: map[entryKey]steps{}, known: map[string]bool{}}
}

// Size returns the number of traces and spans added.
func (s *Sample) Size() (traces, spans int) { return s.traces, s.spans }

// Chosen returns the number of traces that record a choice by duration or errors.
func (s *Sample) Chosen() int { return s.chosen }

// Add adds the request of a trace. A trace without a root span is ignored. The spans
// must not be modified afterwards.
func (s *Sample) Add(t trace.Trace) {
	root := s.measure.load(&t)
	if root == trace.None {
		return
	}
	s.traces++
	s.spans += len(t.Spans)
	s.noteServices(t)
	span, took := &t.Spans[root], s.measure.took(root)
	k := entryKey{span.Service, span.Operation}
	p := s.entries[k]
	if p == nil {
		p = steps{}
		s.entries[k] = p
	}
	// As in metrics, a request belongs to the step in which it ends.
	at := span.Start.Add(took).UnixNano() / int64(s.step)
	c := p[at]
	if c == nil {
		c = &step{}
		p[at] = c
	}
	if tailSampled(span) {
		s.chosen++
	}
	w := Weight(span)
	c.traces++
	c.count += w
	c.squares += w * w
	c.took += w * took.Seconds()
	if span.Failed {
		c.failed += w
	}
	// Algorithm R (Vitter 1985) keeps each request with equal probability.
	slot := len(c.kept)
	if slot == keptRequests {
		if slot = s.rng.IntN(c.traces); slot >= keptRequests {
			return
		}
	} else {
		c.kept = append(c.kept, request{})
	}
	c.kept[slot] = s.request(root, slot < keptTraces)
	c.kept[slot].weight = w
}

// request measures the request of the loaded trace that begins at a span.
func (s *Sample) request(root int, keep bool) request {
	t := s.measure.trace
	r := request{took: s.measure.took(root), failed: t.Spans[root].Failed, trace: trace.Trace{ID: t.ID}, root: root}
	if keep {
		r.trace.Spans = t.Spans
	}
	path := s.measure.path(root)
	r.costs = make([]placeCost, len(path))
	for i, c := range path {
		r.costs[i] = placeCost{place: s.numberOf(c.place), n: int32(c.n), spans: int32(c.spans), time: c.time, all: c.all}
	}
	r.fans = slices.Clone(s.measure.fanOuts(root))
	r.links = s.measure.links()
	return r
}

// noteServices records the services that have spans.
func (s *Sample) noteServices(t trace.Trace) {
	for i := range t.Spans {
		if name := t.Spans[i].Service; !s.known[name] {
			s.known[strings.Clone(name)] = true
		}
	}
}

// numberOf returns the index of a place in s.places.
func (s *Sample) numberOf(p place) int32 {
	n, ok := s.number[p]
	if !ok {
		n = int32(len(s.places))
		s.places = append(s.places, p)
		s.number[p] = n
	}
	return n
}

// Series returns the durations, requests and failures of the sample's entries. Steps
// are merged so that there are at most 600. If traces stand for several requests each,
// the requests of an entry are scaled to the effective number of its traces (Kish 1965),
// on which the certainty of a test depends.
func (s *Sample) Series() evidence.Metrics {
	s.dropMisdated(s.entries)
	first, last := bounds(s.entries)
	m := evidence.Metrics{Start: time.Unix(0, first*int64(s.step)).UTC(), Step: s.step, Steps: int(last - first + 1), Foreign: map[string]bool{}}
	merge := 1
	for m.Steps/merge > maxSteps {
		merge *= 2
	}
	m.Step *= time.Duration(merge)
	m.Steps = (m.Steps + merge - 1) / merge
	for _, k := range slices.SortedFunc(maps.Keys(s.entries), compareEntries) {
		e := evidence.EntrySeries{Entry: result.Entry{Service: k.service, Operation: k.operation},
			Sum: make([]float64, m.Steps), Count: make([]float64, m.Steps)}
		failed := make([]float64, m.Steps)
		var count, squares float64
		for _, c := range s.entries[k] {
			count, squares = count+c.count, squares+c.squares
		}
		scale := count / squares
		for at, c := range s.entries[k] {
			i := int(at-first) / merge
			e.Sum[i] += scale * c.took
			e.Count[i] += scale * c.count
			failed[i] += scale * c.failed
		}
		m.Entries = append(m.Entries, e)
		m.Calls = append(m.Calls, evidence.CallSeries{Service: k.service, Operation: k.operation, Count: e.Count, Failed: failed})
	}
	return m
}

// maxSteps bounds the search for levels, whose time is quadratic in the steps.
const maxSteps = 600

// During returns the sampled requests of an entry whose steps begin in the given
// ranges. Each is weighted by the number of requests it represents.
func (s *Sample) During(e result.Entry, ranges []result.Range) Requests {
	p := s.entries[entryKey{e.Service, e.Operation}]
	if p == nil {
		return Requests{}
	}
	during := func(at int64) bool {
		when := time.Unix(0, at*int64(s.step))
		return slices.ContainsFunc(ranges, func(r result.Range) bool { return !when.Before(r.From) && when.Before(r.To) })
	}
	out := Requests{links: s.gapsDuring(during)}
	for _, at := range slices.Sorted(maps.Keys(p)) {
		if during(at) {
			c := p[at]
			for _, r := range c.kept {
				out.add(r, r.weight*float64(c.traces)/float64(len(c.kept)))
			}
		}
	}
	return out
}
