package diagnose

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Book holds what is known of requests from their traces. It grows with the
// entries and the time that they span, not with the number of traces: of each
// step it keeps sums of all requests and a sample of a few.
type Book struct {
	step    time.Duration
	walker  *walker
	rng     *rand.Rand
	parts   []part
	number  map[part]int32
	entries map[entryKey]*page
	known   map[string]bool // services that have spans
	traces  int
	spans   int
}

type entryKey struct{ service, operation string }

// page is an entry's steps, by their number since 1970.
type page struct{ steps map[int64]*bin }

type bin struct {
	count, failed int
	took          time.Duration
	kept          []request
}

// request is one of the sample.
type request struct {
	took   time.Duration
	failed bool
	costs  []charge
	trace  Trace // without spans when there are enough of them
	root   int32 // its entry's span
}

type charge struct {
	part int32
	n    int32
	time time.Duration
}

// Sample of a step: requests with their costs, and of those with their spans.
const (
	keptRequests = 32
	keptTraces   = 8
)

// bookStep is the step of a book, as fine as that of metrics.
const bookStep = 2 * time.Second

// NewBook returns an empty book.
func NewBook() *Book {
	return &Book{step: bookStep, walker: newWalker(), rng: rand.New(rand.NewPCG(3, 4)), number: map[part]int32{},
		entries: map[entryKey]*page{}, known: map[string]bool{}}
}

// Traces returns how many traces and spans have been added.
func (b *Book) Traces() (traces, spans int) { return b.traces, b.spans }

// Add adds a trace. One without spans, or with nothing but a cycle of spans, is
// left out.
func (b *Book) Add(t Trace) {
	root := b.walker.load(t)
	if root == none {
		return
	}
	b.traces++
	b.spans += len(t.Spans)
	b.know(t)
	s, n := &t.Spans[root], b.walker.nodes[root]
	k := entryKey{s.Service, s.Operation}
	p := b.entries[k]
	if p == nil {
		p = &page{steps: map[int64]*bin{}}
		b.entries[k] = p
	}
	// As metrics do, a request counts when it ends.
	at := s.Start.Add(n.end-n.start).UnixNano() / int64(b.step)
	c := p.steps[at]
	if c == nil {
		c = &bin{}
		p.steps[at] = c
	}
	c.count++
	c.took += n.end - n.start
	if s.Failed {
		c.failed++
	}
	// Algorithm R (Vitter 1985): every request is as likely to be kept.
	place := len(c.kept)
	if place == keptRequests {
		if place = b.rng.IntN(c.count); place >= keptRequests {
			return
		}
	} else {
		c.kept = append(c.kept, request{})
	}
	c.kept[place] = b.request(root, place < keptTraces)
}

// request measures what the loaded trace's request waited for from a span on.
func (b *Book) request(root int32, keep bool) request {
	t, n := b.walker.trace, b.walker.nodes[root]
	r := request{took: n.end - n.start, failed: t.Spans[root].Failed, trace: Trace{ID: t.ID}, root: root}
	if keep {
		r.trace.Spans = t.Spans
	}
	path := b.walker.path(root)
	r.costs = make([]charge, len(path))
	for i, c := range path {
		r.costs[i] = charge{part: b.numberOf(c.part), n: int32(c.n), time: c.time}
	}
	return r
}

// know notes which services have spans.
func (b *Book) know(t Trace) {
	for i := range t.Spans {
		if s := t.Spans[i].Service; !b.known[s] {
			b.known[strings.Clone(s)] = true
		}
	}
}

func (b *Book) numberOf(p part) int32 {
	n, ok := b.number[p]
	if !ok {
		n = int32(len(b.parts))
		b.parts = append(b.parts, p)
		b.number[p] = n
	}
	return n
}

// evidence turns the book into evidence of its entries, each with its errors.
func (b *Book) evidence() Evidence {
	first, last := int64(0), int64(-1)
	for _, p := range b.entries {
		for at := range p.steps {
			if last < first {
				first, last = at, at
			}
			first, last = min(first, at), max(last, at)
		}
	}
	ev := Evidence{Start: time.Unix(0, first*int64(b.step)).UTC(), Step: b.step, Steps: int(last - first + 1), Foreign: map[string]bool{}}
	merge := 1
	for ev.Steps/merge > maxBookSteps {
		merge *= 2
	}
	ev.Step *= time.Duration(merge)
	ev.Steps = (ev.Steps + merge - 1) / merge
	for _, k := range slices.SortedFunc(maps.Keys(b.entries), func(x, y entryKey) int {
		return cmp.Or(strings.Compare(x.service, y.service), strings.Compare(x.operation, y.operation))
	}) {
		e := EntrySeries{Entry: Entry{Service: k.service, Operation: k.operation}, Sum: make([]float64, ev.Steps), Count: make([]float64, ev.Steps)}
		failed := make([]float64, ev.Steps)
		for at, c := range b.entries[k].steps {
			i := int(at-first) / merge
			e.Sum[i] += c.took.Seconds()
			e.Count[i] += float64(c.count)
			failed[i] += float64(c.failed)
		}
		ev.Entries = append(ev.Entries, e)
		ev.Calls = append(ev.Calls, CallSeries{Service: k.service, Operation: k.operation, Count: e.Count, Failed: failed})
	}
	return ev
}

// maxBookSteps bounds the search for levels, which is quadratic.
const maxBookSteps = 600

// during returns the kept requests of an entry in the given times, each with
// the number of those that it stands for.
func (b *Book) during(e Entry, times []Range) sample {
	p := b.entries[entryKey{e.Service, e.Operation}]
	if p == nil {
		return sample{}
	}
	var out sample
	for _, at := range slices.Sorted(maps.Keys(p.steps)) {
		when := time.Unix(0, at*int64(b.step))
		if slices.ContainsFunc(times, func(r Range) bool { return !when.Before(r.From) && when.Before(r.To) }) {
			c := p.steps[at]
			for _, r := range c.kept {
				out.add(r, float64(c.count)/float64(len(c.kept)))
			}
		}
	}
	return out
}
