// Package arrival separates traces whose spans have all arrived from traces with spans
// that are lost or still on their way. Exporters send spans in batches, every few
// seconds by default, so the newest traces lack the spans of the slowest exporters.
//
// A trace shows missing spans in three ways: a span has a parent that is not in the
// trace, a call has no callee although such calls have one, or a service is absent that
// takes part in requests of the entry. The first two count only if they are rare among
// settled traces, because some services never send spans.
package arrival

import (
	"math"
	"slices"
	"time"

	"github.com/tenhop/tenhop/trace"
)

// Bounds of a Filter. They were chosen with exporters in sight that send every 5 s, one
// of them 12 s late.
const (
	hold       = time.Minute      // traces this much older than the newest one are settled
	maxHeld    = 200_000          // spans held; beyond it the older half is settled earlier
	maxLost    = .2               // parents absent in more than this share of the settled occurrences are ordinarily absent
	maxUnmet   = .05              // the same for callees, because a call may be answered without its callee
	minSettled = 5                // settled occurrences; with fewer, those of the ordinary window count
	maxDelay   = 15 * time.Second // longest absence of a service that is taken for a late exporter
	minShare   = .05              // share of an entry's requests from which a service is expected
	neverSent  = .8               // parents absent in more than this share are of services that send no spans
	maxShift   = 20 * time.Millisecond
	minLost    = .15 // of the parents of spans that often have one
	mostTraces = .5  // of the traces, whose clocks differ
	maxChance  = .01 // probability that the absence is chance
)

// usual counts what the settled traces of a window have.
type usual struct {
	lacks   map[lack]*[2]int    // occurrences without and with the lack
	entries map[place]*presence // by entry
}

// place is an operation of a service.
type place struct{ service, operation string }

// lack is something that a trace may lack at an operation.
type lack struct {
	place
	callee bool // the callee of a call; otherwise the parent of a span
}

// presence counts the requests of an entry, and those of them with each service.
type presence struct {
	requests int
	services map[string]int
}

// Filter passes on the traces whose spans have all arrived. It holds the traces of the
// newest minute, and those that lack something, until Flush. It is not safe for
// concurrent use.
type Filter struct {
	add    func(trace.Trace)
	usual  usual
	before *Filter   // of the ordinary window, or nil
	latest time.Time // traces that end later have a wrong clock and move nothing
	tree   trace.Tree

	settled time.Time // traces that ended before it are settled
	newest  time.Time
	held    []held
	spans   int // of held
	seen    map[string]time.Time
	passed  int
	left    int
	shifted int // traces of which another clock measured a span by much
	all     int // traces
}

// held is a trace that waits for a decision.
type held struct {
	trace.Trace
	end      time.Time
	entry    place
	services []string
	lacks    []lack
	settled  bool
}

// New returns a Filter that passes traces to add. Ends of traces after latest are
// ignored in the search for the newest ones. before is the flushed Filter of an ordinary
// window, or nil.
func New(before *Filter, latest time.Time, add func(trace.Trace)) *Filter {
	return &Filter{add: add, before: before, latest: latest, seen: map[string]time.Time{},
		usual: usual{lacks: map[lack]*[2]int{}, entries: map[place]*presence{}}}
}

// Incomplete returns the number of traces that were left out. It is final after Flush.
func (f *Filter) Incomplete() int { return f.left }

// Add adds a trace. Traces without spans are ignored. The spans must not be modified
// afterwards.
func (f *Filter) Add(t trace.Trace) {
	f.tree.Load(&t)
	root := f.tree.Root()
	if root == trace.None {
		return
	}
	_, end := t.Bounds()
	if end.After(f.latest) {
		f.pass(t)
		return
	}
	if end.After(f.newest) {
		f.newest = end
		if s := end.Add(-hold); s.After(f.settled) {
			f.settled = s
		}
	}
	h := held{Trace: t, end: end, services: t.Services()}
	entry := f.tree.Span(f.tree.Entry())
	h.entry = place{entry.Service, entry.Operation}
	for _, s := range h.services {
		if end.After(f.seen[s]) {
			f.seen[s] = end
		}
	}
	h.settled = end.Before(f.settled)
	h.lacks = f.lacksOf(root, h.settled)
	f.all++
	if slices.ContainsFunc(f.tree.Order(), func(i int) bool { return f.tree.Shift(i).Abs() > maxShift }) {
		f.shifted++
	}
	if h.settled {
		f.settle(h)
	}
	if h.settled && len(h.lacks) == 0 {
		f.pass(t)
		return
	}
	f.held = append(f.held, h)
	f.spans += len(t.Spans)
	if f.spans > maxHeld {
		f.shrink()
	}
}

// lacksOf returns what the loaded trace lacks. It counts all occurrences if the trace is
// settled.
func (f *Filter) lacksOf(root int, settled bool) []lack {
	missing := f.tree.Missing()
	spans := f.tree.Trace().Spans
	var out []lack
	note := func(l lack, lacking bool) {
		if lacking {
			out = append(out, l)
		}
		if !settled {
			return
		}
		n := f.usual.lacks[l]
		if n == nil {
			n = &[2]int{}
			f.usual.lacks[l] = n
		}
		if lacking {
			n[1]++
		} else {
			n[0]++
		}
	}
	absent := map[int]bool{}
	for _, i := range missing {
		absent[i] = true
	}
	for _, i := range f.tree.Order() {
		s := &spans[i]
		at := place{s.Service, s.Operation}
		if s.Parent != "" {
			note(lack{place: at}, i == root || absent[i])
		}
		if s.Kind == trace.Client && !s.Failed { // a call that failed need not have reached its callee
			note(lack{at, true}, len(f.tree.Children(i)) == 0)
		}
	}
	return out
}

// settle counts the services of a settled trace.
func (f *Filter) settle(h held) {
	p := f.usual.entries[h.entry]
	if p == nil {
		p = &presence{services: map[string]int{}}
		f.usual.entries[h.entry] = p
	}
	p.requests++
	for _, s := range h.services {
		p.services[s]++
	}
}

// shrink settles the older half of the held traces, and decides on those of them that
// were settled before.
func (f *Filter) shrink() {
	ends := make([]time.Time, len(f.held))
	for i, h := range f.held {
		ends[i] = h.end
	}
	slices.SortFunc(ends, time.Time.Compare)
	if at := ends[len(ends)/2]; at.After(f.settled) {
		f.settled = at
	}
	keep := f.held[:0]
	for _, h := range f.held {
		switch {
		case h.settled:
			f.decide(h, nil)
		case h.end.Before(f.settled):
			if h = f.resettle(h); len(h.lacks) == 0 {
				f.pass(h.Trace)
				continue
			}
			keep = append(keep, h)
		default:
			keep = append(keep, h)
		}
	}
	clear(f.held[len(keep):])
	f.held, f.spans = keep, 0
	for _, h := range f.held {
		f.spans += len(h.Spans)
	}
}

// resettle counts a held trace as settled.
func (f *Filter) resettle(h held) held {
	f.tree.Load(&h.Trace)
	h.settled = true
	h.lacks = f.lacksOf(f.tree.Root(), true)
	f.settle(h)
	return h
}

// Flush decides on the traces that are held. The oldest third of a short window is
// settled. If no trace of the window is complete, all are passed on.
func (f *Filter) Flush() {
	if len(f.held) == 0 {
		return
	}
	oldest := f.newest
	for _, h := range f.held {
		if h.end.Before(oldest) {
			oldest = h.end
		}
	}
	third := oldest.Add(f.newest.Sub(oldest) / 3)
	for i, h := range f.held {
		if !h.settled && !h.end.After(third) {
			f.held[i] = f.resettle(h)
		}
	}
	late := f.late()
	if f.passed == 0 && !slices.ContainsFunc(f.held, func(h held) bool { return !f.incomplete(h, late) }) {
		for _, h := range f.held {
			f.pass(h.Trace)
		}
		f.held, f.spans = nil, 0
		return
	}
	for _, h := range f.held {
		f.decide(h, late)
	}
	f.held, f.spans = nil, 0
}

func (f *Filter) decide(h held, late []string) {
	if f.incomplete(h, late) {
		f.left++
		return
	}
	f.pass(h.Trace)
}

func (f *Filter) pass(t trace.Trace) {
	f.passed++
	f.add(t)
}

// incomplete reports whether a trace lacks spans that it should have.
func (f *Filter) incomplete(h held, late []string) bool {
	for _, l := range h.lacks {
		if f.unusual(l) {
			return true
		}
	}
	for _, s := range late {
		if h.end.After(f.seen[s]) && f.expected(h, s) >= minShare {
			return true
		}
	}
	return false
}

// Undatable reports whether the traces cannot tell where time is spent: many parents are
// missing of spans that often have one, and clocks differ. A span cannot be dated
// without its parent then, and its time counts as that of another. It is final after Flush.
func (f *Filter) Undatable() bool {
	lacking, occurrences := 0, 0
	for l, n := range f.usual.lacks {
		if all := n[0] + n[1]; !l.callee && all >= minSettled && float64(n[1]) <= neverSent*float64(all) {
			lacking, occurrences = lacking+n[1], occurrences+all
		}
	}
	return float64(lacking) > minLost*float64(occurrences) && float64(f.shifted) > mostTraces*float64(f.all)
}

// unusual reports whether settled traces seldom have a lack.
func (f *Filter) unusual(l lack) bool {
	n := f.usual.lacks[l]
	if n == nil || n[0]+n[1] < minSettled {
		return f.before != nil && f.before.unusual(l)
	}
	most := maxLost
	if l.callee {
		most = maxUnmet
	}
	return float64(n[1]) <= most*float64(n[0]+n[1])
}

// expected returns the share of the requests of a trace's entry in which a service
// takes part. It is 0 if the service has spans in the trace.
func (f *Filter) expected(h held, service string) float64 {
	if slices.Contains(h.services, service) {
		return 0
	}
	p := f.usual.entries[h.entry]
	if p == nil || p.requests < minSettled {
		if f.before == nil {
			return 0
		}
		return f.before.expected(h, service)
	}
	return float64(p.services[service]) / float64(p.requests)
}

// late returns the services whose newest spans are so much older than the newest trace
// that their exporter must be late.
func (f *Filter) late() []string {
	var out []string
	for service, at := range f.seen {
		if f.newest.Sub(at) > maxDelay {
			continue
		}
		chance := 0.0 // its logarithm
		for _, h := range f.held {
			if h.end.After(at) && !h.Failed() {
				chance += math.Log1p(-math.Min(f.expected(h, service), .99))
			}
		}
		if chance < math.Log(maxChance) {
			out = append(out, service)
		}
	}
	slices.Sort(out)
	return out
}

// Failed reports whether a span of the trace failed. A request that fails may skip
// services.
func (h held) Failed() bool {
	return slices.ContainsFunc(h.Spans, func(s trace.Span) bool { return s.Failed })
}
