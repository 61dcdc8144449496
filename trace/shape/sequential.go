package shape

import (
	"cmp"
	"slices"
	"time"

	"github.com/tenhop/tenhop/trace"
)

// Limits of the time between two calls that follow each other: in a longer gap the caller
// does work, for which it may need the response. They were chosen on traces of the
// storefront.
const (
	minGap   = time.Millisecond
	gapShare = .1 // of the mean duration of the two calls
)

// overlap is the time by which consecutive calls may overlap: formats truncate times to
// microseconds.
const overlap = 2 * time.Microsecond

// repeatKeys are attributes of calls that repeat a call before them.
var repeatKeys = []string{"http.request.resend_count", "previous-rpc-attempts", "http.resend_count"}

// run is a row of calls, and those of them that the longest one would cover.
type run struct {
	Sequential
	covered []int
	saving  time.Duration // sum of covered
}

// sequential returns the rows of calls that follow each other, at most listed of them.
func (a *analysis) sequential() []run {
	var all []run
	for _, i := range a.Order() {
		if a.waited[i] && !a.Span(i).Kind.Calls() {
			all = append(all, a.runsOf(i)...)
		}
	}
	slices.SortStableFunc(all, func(x, y run) int { return cmp.Compare(y.saving, x.saving) })
	all = all[:min(len(all), a.replays(2*listed))]
	var out []run
	for _, r := range all {
		saved := a.Took(a.entry) - a.replay(a.cover(r.covered))
		if r.SavedMS = inMS(saved); float64(saved) >= minSaving*float64(a.Took(a.entry)) && saved > 0 {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(x, y run) int { return cmp.Compare(y.SavedMS, x.SavedMS) })
	return out[:min(len(out), listed)]
}

// runsOf returns the rows among the children of a span. A call to a store ends a row:
// statements of a transaction have one connection and an order. So does a failed call:
// the next one happens because of it.
func (a *analysis) runsOf(parent int) []run {
	var out []run
	var row []int
	flush := func() {
		if len(row) > 1 {
			out = append(out, a.run(parent, row))
		}
		row = row[:0]
	}
	for _, c := range a.Children(parent) {
		switch {
		case !a.waited[c]:
			continue
		case !a.calling(c):
			if a.within[c] != trace.None { // a store or a broker
				flush()
			}
			continue
		case len(row) > 0 && !a.follows(row[len(row)-1], c):
			flush()
		}
		row = append(row, c)
	}
	flush()
	return out
}

// calling reports whether a child is a call of another service, or wraps one.
func (a *analysis) calling(i int) bool {
	s, p := a.Span(i), a.Span(a.Parent(i))
	switch s.Kind {
	case trace.Producer, trace.Consumer:
		return false
	case trace.Client:
		return !store(s)
	}
	return s.Service != p.Service || a.callee[i] != trace.None
}

// follows reports whether a call follows another one closely, and does not repeat it.
func (a *analysis) follows(before, i int) bool {
	gap := a.Start(i) - a.End(before)
	limit := max(minGap, time.Duration(gapShare*float64(a.Took(before)+a.Took(i))/2))
	return gap >= -overlap && gap <= limit && !a.Span(before).Failed &&
		!slices.ContainsFunc(repeatKeys, func(k string) bool { return a.Span(i).Attributes[k] != "" })
}

func (a *analysis) run(parent int, row []int) run {
	s := a.Span(parent)
	r := run{Sequential: Sequential{Service: s.Service, Operation: s.Operation, Span: s.ID, Count: len(row), Alike: true}}
	longest := row[0]
	var gap time.Duration
	var first Call
	for k, c := range row {
		target, operation := a.target(c)
		call := Call{Target: target, Operation: operation, DurationMS: inMS(a.Took(c))}
		if k == 0 {
			first = call
		} else {
			gap = max(gap, a.Start(c)-a.End(row[k-1]))
		}
		if len(r.Calls) < listed {
			r.Calls = append(r.Calls, call)
		}
		r.Alike = r.Alike && call.Target == first.Target && call.Operation == first.Operation
		r.Clocks = r.Clocks || a.Span(c).Service != s.Service
		r.saving += a.Took(c)
		if a.Took(c) > a.Took(longest) {
			longest = c
		}
	}
	r.GapMS = inMS(gap)
	r.saving -= a.Took(longest)
	for _, c := range row {
		if c != longest {
			r.covered = append(r.covered, c)
		}
	}
	return r
}
