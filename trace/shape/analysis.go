package shape

import (
	"fmt"
	"slices"
	"time"

	"github.com/tenhop/tenhop/trace"
)

// class is what a span's own time is spent on.
type class uint8

const (
	work  class = iota
	link        // of a call that a hop with spans answered
	other       // of a call that nothing with spans answered
)

// analysis holds what is known of each span of a trace.
type analysis struct {
	*trace.Tree
	entry  int
	class  []class
	callee []int     // first span of another service below, reached within the service; or None
	waited []bool    // the entry waited for the span
	hop    []int     // the span by which the service was entered
	factor []float64 // of replay; 1 between replays
	within []int     // the outermost call of the service that contains the span, possibly itself; or None
	calls  []int
	unkind int // spans without a kind
	bare   int // hops of other services without a call before them
}

func newAnalysis(t *trace.Tree, entry int) *analysis {
	n := t.Len()
	a := &analysis{Tree: t, entry: entry, class: make([]class, n), callee: make([]int, n), waited: make([]bool, n), hop: make([]int, n), within: make([]int, n), factor: make([]float64, n)}
	order := t.Order()
	for i := range n {
		a.callee[i], a.hop[i], a.within[i], a.factor[i] = trace.None, i, trace.None, 1
	}
	for k := len(order) - 1; k >= 0; k-- { // children first
		i := order[k]
		for _, c := range t.Children(i) {
			found := a.callee[c]
			if t.Span(c).Service != t.Span(i).Service {
				if found = c; t.Span(c).Kind == trace.Consumer {
					continue
				}
			} else if t.Span(c).Kind == trace.Server && t.Span(i).Kind == trace.Client {
				found = c // the service calls itself
			}
			if found != trace.None {
				a.callee[i] = found
				break
			}
		}
	}
	for _, i := range order {
		a.relate(i)
	}
	return a
}

// relate derives what depends on a span's parent.
func (a *analysis) relate(i int) {
	s, p := a.Span(i), a.Parent(i)
	if s.Kind == "" {
		a.unkind++
	}
	a.waited[i] = i == a.entry || p != trace.None && a.waited[p] && !a.Async(i) && a.End(i) > a.Start(p)
	enters := a.enters(i)
	if !enters {
		a.hop[i], a.within[i] = a.hop[p], a.within[p]
	}
	if enters && p != trace.None && !s.Kind.Calls() && s.Kind != trace.Consumer && !a.Span(p).Kind.Calls() {
		a.bare++
		a.calls = append(a.calls, i) // its caller sends no client span
	}
	switch {
	case s.Kind.Calls():
		a.class[i] = other
		if a.callee[i] != trace.None {
			a.class[i] = link
		}
		if a.within[i] == trace.None {
			a.within[i] = i
			a.calls = append(a.calls, i)
		}
	case !enters && a.within[i] != trace.None:
		a.class[i] = a.class[a.within[i]] // such as the connection set-up of a call
	}
}

// enters reports whether a request or message enters a service with a span. Nested
// server spans of one process do not.
func (a *analysis) enters(i int) bool {
	p := a.Parent(i)
	return p == trace.None || a.Span(p).Service != a.Span(i).Service || a.Span(i).Kind.Serves() && a.Span(p).Kind.Calls()
}

// maxWraps bounds the spans between a call and the one that it wraps.
const maxWraps = 32

// target returns the service or dependency that a call reaches, and the operation there
// if it sends spans.
func (a *analysis) target(i int) (name, operation string) {
	s := a.Span(i)
	if p := a.Parent(i); !s.Kind.Calls() && p != trace.None && a.Span(p).Service != s.Service {
		return s.Service, s.Operation
	}
	if c := a.callee[i]; c != trace.None {
		return a.Span(c).Service, a.Span(c).Operation
	}
	name = s.Peer()
	for depth := 0; (name == "" || !s.Kind.Calls()) && depth < maxWraps; depth++ { // of the call that it wraps
		inner := trace.None
		for _, c := range a.Children(i) {
			if a.Span(c).Service == s.Service && a.within[c] != trace.None {
				inner = c
				break
			}
		}
		if inner == trace.None {
			break
		}
		i, s = inner, a.Span(inner)
		name = s.Peer()
	}
	for _, k := range []string{"db.query.summary", "db.query.text", "db.statement"} {
		if v := s.Attributes[k]; v != "" {
			return name, v
		}
	}
	return name, s.Operation
}

// store reports whether a call is one to a database.
func store(s *trace.Span) bool {
	return s.Attributes["db.system.name"] != "" || s.Attributes["db.system"] != "" || s.Attributes["db.type"] != ""
}

func (a *analysis) depth() Depth {
	n := a.Len()
	chain, followed := make([]int, n), make([]int, n)
	deepest, most := a.entry, 0
	for _, i := range a.Order() {
		p := a.Parent(i)
		if i != a.entry && (p == trace.None || followed[p] == 0) {
			continue // not below the entry
		}
		step := 0
		if i == a.entry || a.enters(i) {
			step = 1
		}
		if i == a.entry {
			chain[i], followed[i] = step, step
		} else {
			if followed[i] = followed[p] + step; a.waited[i] {
				chain[i] = chain[p] + step
			}
		}
		if chain[i] > chain[deepest] {
			deepest = i
		}
		most = max(most, followed[i])
	}
	d := Depth{Hops: chain[deepest], WithQueues: most}
	for i := deepest; i != trace.None; i = a.Parent(i) {
		if i == a.entry || a.enters(i) {
			d.Path = append(d.Path, a.Span(i).Service)
		}
		if i == a.entry {
			break
		}
	}
	slices.Reverse(d.Path)
	if len(d.Path) > listed {
		d.Path = append(d.Path[:listed:listed], "…")
	}
	return d
}

func (a *analysis) time() Time {
	var by [3]time.Duration
	calls := map[int]bool{}
	for _, s := range a.AppendShares(nil, a.entry) {
		by[a.class[s.Span]] += s.Time
		switch {
		case a.within[s.Span] != trace.None:
			calls[a.within[s.Span]] = true
		case s.Span != a.entry && a.enters(s.Span) && !a.Span(a.Parent(s.Span)).Kind.Calls():
			calls[s.Span] = true
		}
	}
	out := Time{WorkMS: inMS(by[work]), LinkMS: inMS(by[link]), OtherMS: inMS(by[other]), CallsOnPath: len(calls)}
	if took := a.Took(a.entry); took > 0 {
		out.LinkShare = ratio(by[link], took)
	}
	return out
}

// ratio returns a fraction with four digits.
func ratio(a, b time.Duration) float64 {
	return float64(int64(float64(a)/float64(b)*10_000+.5)) / 10_000
}

// change is a factor by which the self time of a span would change.
type change struct {
	span   int
	factor float64
}

// whatIf predicts the request's duration after changes.
func (a *analysis) whatIf(runs []run, pairs []pair) []WhatIf {
	out := []WhatIf{}
	add := func(name string, changes []change) {
		took := a.replay(changes)
		out = append(out, WhatIf{Change: name, DurationMS: inMS(took), SavedMS: inMS(a.Took(a.entry) - took)})
	}
	var parallel, merged, links []change
	for _, r := range runs {
		parallel = append(parallel, a.cover(r.covered)...)
	}
	for _, p := range pairs {
		merged = append(merged, p.changes...)
	}
	for i, c := range a.class {
		if c == link && a.waited[i] {
			links = append(links, change{i, 0})
		}
	}
	if len(parallel) > 0 {
		add(Parallel, parallel)
	}
	if len(merged) > 0 {
		add(Merged, merged)
	}
	if len(parallel) > 0 && len(merged) > 0 {
		add(ParallelMerged, slices.Concat(parallel, merged))
	}
	if len(links) > 0 {
		add(OneProcess, links)
	}
	return out
}

// replay returns the duration of the entry after changes. Of several changes of a span
// the one with the smallest factor counts.
func (a *analysis) replay(changes []change) time.Duration {
	for _, c := range changes {
		a.factor[c.span] = min(a.factor[c.span], c.factor)
	}
	took := a.Replay(a.entry, func(span int, _ time.Duration) float64 { return a.factor[span] })
	for _, c := range changes {
		a.factor[c.span] = 1
	}
	return took
}

// cover returns the changes by which some spans, and all below them, take no time.
func (a *analysis) cover(spans []int) []change {
	var out []change
	for todo := slices.Clone(spans); len(todo) > 0; {
		i := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], a.Children(i)...)
		out = append(out, change{i, 0})
	}
	return out
}

// replays returns the number of replays that a list is worth.
func (a *analysis) replays(most int) int {
	return max(min(spanBudget/a.Len(), most), 2)
}

// spanBudget is the number of spans that the replays of a list may visit.
const spanBudget = 400_000

func (a *analysis) notes() []string {
	out := []string{}
	note := func(n int, format string) {
		if n > 0 {
			out = append(out, fmt.Sprintf(format, n))
		}
	}
	note(len(a.Missing()), "%d spans have no parent in the trace: calls may be missing, and what they took counts as work")
	note(a.unkind, "%d spans have no kind: links that they are may count as work")
	note(a.bare, "%d hops were called without a client span: their links count as work of the caller")
	note(len(a.Duplicates()), "%d spans have the ID of another span and are left out")
	return out
}
