// Package stall finds hops from which nothing returns: processes that hang, that do not
// answer scrapes, or that restart again and again. Latencies do not show them, because
// only requests that end have one. The evidence is what is in flight, what does not
// complete, and what is known of the processes.
package stall

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// Stall is a hop that does not return requests.
type Stall struct {
	Hop, Operation, Target string // Operation and Target may be ""
	Instance               string // if one of several instances is affected
	Entry                  result.Entry
	Kind                   string // Hang, Stuck, Down, Restart or Silence
	Since                  time.Time
	Sure                   bool   // more than one kind of evidence shows it
	Why                    string // the evidence, one sentence
	Evidence               []result.Signal
}

// Kinds of Stall.
const (
	Hang    = "hang"    // requests are taken and do not return
	Stuck   = "stuck"   // some requests do not return
	Down    = "down"    // a process does not answer
	Restart = "restart" // a process restarts again and again
	Silence = "silence" // nothing completes, and nothing tells whether there are requests
)

// Thresholds. They were set on simulated fleets and on recordings of the storefront.
const (
	mostShare = .2               // requests that complete, as a share of those expected, in a hang
	maxChance = 1e-4             // probability of so few completions by chance
	minPile   = 3                // requests in flight beyond the ordinary
	longPile  = 10               // the same where completions tell nothing
	spare     = 20 * time.Second // before the end, not part of what is ordinary in flight
	recent    = time.Minute      // within which restarts count
	minTimes  = 2                // restarts within that time that are no deployment
)

// Find returns the stalls of the time just before the end of the evidence, the most certain
// first. Calls that failed in the last steps count as evidence of a restart.
func Find(m evidence.Metrics) []Stall {
	f := newFleet(m)
	var out []Stall
	for _, e := range m.Entries {
		if e.Flow != "async" {
			if s, ok := f.hang(e); ok {
				out = append(out, s)
			}
		}
	}
	if s, ok := f.stuck(); ok && !slices.ContainsFunc(out, func(o Stall) bool { return o.Sure || o.Hop != s.Hop }) {
		out = []Stall{s}
	}
	out = append(out, f.processes(out)...)
	slices.SortStableFunc(out, func(a, b Stall) int {
		return cmp.Or(cmp.Compare(number(b.Sure), number(a.Sure)), a.Since.Compare(b.Since))
	})
	return slices.CompactFunc(out, func(a, b Stall) bool { return a.Hop == b.Hop && a.Kind == b.Kind && a.Target == b.Target })
}

func secondsOf(s float64) time.Duration { return time.Duration(s * 1e9).Round(10 * time.Millisecond) }

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// fleet holds the processes of the services and who calls whom.
type fleet struct {
	m     evidence.Metrics
	of    map[string][]evidence.Process
	calls map[string][]string // callees that are services, by caller
	piles map[string]pile
	end   time.Time
}

func newFleet(m evidence.Metrics) *fleet {
	f := &fleet{m: m, of: map[string][]evidence.Process{}, calls: map[string][]string{}, piles: map[string]pile{}, end: m.Newest}
	for _, p := range m.Processes {
		f.of[p.Service] = append(f.of[p.Service], p)
		for _, u := range p.Up {
			if u.At.After(f.end) {
				f.end = u.At
			}
		}
	}
	if f.end.IsZero() {
		f.end = m.At(m.Steps)
	}
	call := func(caller, callee string) {
		if caller != callee && callee != "" && !slices.Contains(f.calls[caller], callee) {
			f.calls[caller] = append(f.calls[caller], callee)
		}
	}
	for _, w := range m.Waits {
		if w.Kind != "caller" {
			call(w.Service, w.Dependency)
		}
	}
	for _, c := range m.Calls {
		call(c.Service, c.Dependency)
	}
	for _, n := range m.Nodes {
		for _, c := range slices.Concat(n.Made, n.Edges) {
			call(n.Service, c.Target)
		}
	}
	for s, ps := range f.of {
		if p, ok := f.piled(ps); ok {
			f.piles[s] = p
		}
	}
	return f
}

// pile holds the requests in flight at a service, ordinarily and now.
type pile struct{ before, now float64 }

// piled returns the requests in flight at the processes of a service. It reports false if
// there are no readings, or no more than usual.
func (f *fleet) piled(ps []evidence.Process) (p pile, ok bool) {
	ok = false
	var before, now float64
	for _, one := range ps {
		var base []float64
		for _, r := range one.InFlight {
			if r.At.Before(f.end.Add(-spare)) {
				base = append(base, r.Value)
			}
		}
		if len(base) == 0 || len(one.InFlight) < 2 {
			continue
		}
		slices.Sort(base)
		last := one.InFlight[len(one.InFlight)-2:]
		usual := base[len(base)*9/10]
		before, now = before+usual, now+last[1].Value
		// It still grows, or has grown in two readings.
		if last[1].Value >= usual+minPile && (last[0].Value > usual || last[1].Value >= 2*usual+longPile) {
			ok = true
		}
	}
	return pile{before, now}, ok && now >= before+minPile && now >= 1.5*before
}

// known reports whether the requests in flight at a service are known.
func (f *fleet) known(service string) bool {
	return slices.ContainsFunc(f.of[service], func(p evidence.Process) bool { return len(p.InFlight) > 0 })
}

// down returns the processes of a service that do not answer scrapes, if there are any.
func (f *fleet) down(service string) (out []evidence.Process, since time.Time) {
	for _, p := range f.of[service] {
		if at, n := p.Down(); n > 0 {
			out = append(out, p)
			if since.IsZero() || at.Before(since) {
				since = at
			}
		}
	}
	return out, since
}

// silence returns how many requests of an entry completed in the last steps and how many
// were expected, if it were a rare chance that so few did.
func (f *fleet) silence(e evidence.EntrySeries) (since time.Time, got, expected float64, ok bool) {
	count := e.Count
	if e.LevelCount != nil {
		count = e.LevelCount
	}
	answered := f.end
	if ps := f.of[e.Service]; len(ps) > 0 {
		answered = time.Time{}
		for _, p := range ps {
			if at := p.Answered(); at.After(answered) {
				answered = at
			}
		}
		if len(ps[0].Up) == 0 {
			answered = f.end
		}
	}
	last := min(int(math.Ceil(answered.Sub(f.m.At(0)).Seconds()/f.m.Step.Seconds()-1e-9)), len(count))
	const most = 8
	for k := 2; k <= most && last-k >= 2*most; k++ {
		got := evidence.Steps(last-k, last).Sum(count)
		base := evidence.Steps(0, last-k)
		rate := base.Sum(count) / float64(len(base))
		// The rate of the last minute, if it was less.
		near := evidence.Steps(max(last-k-int(time.Minute/f.m.Step), 0), last-k)
		rate = math.Min(rate, near.Sum(count)/float64(len(near)))
		want := rate * float64(k)
		if got <= mostShare*want && stats.FewerThan(got, want) < maxChance {
			since, expected, ok = f.m.At(last-k), want, true
			return since, got, expected, ok
		}
	}
	return time.Time{}, 0, 0, false
}

// Ceased reports whether an entry has hardly any requests in the last steps, although none of
// its service are in flight: they are not sent. It returns since when, and how many were
// expected.
func Ceased(m evidence.Metrics, operation string) (since time.Time, expected float64, ok bool) {
	f := newFleet(m)
	for _, e := range m.Entries {
		if e.Operation != operation || e.Flow == "async" {
			continue
		}
		_, piled := f.piles[e.Service]
		stopped, _ := f.down(e.Service)
		since, _, expected, ok = f.silence(e)
		return since, expected, ok && !piled && f.known(e.Service) && len(stopped) == 0
	}
	return time.Time{}, 0, false
}

// hang returns the hop at which requests of an entry hang.
func (f *fleet) hang(e evidence.EntrySeries) (Stall, bool) {
	since, got, expected, silent := f.silence(e)
	grown, piled := f.piles[e.Service]
	s := Stall{Entry: e.Entry, Kind: Hang, Since: since}
	switch {
	case silent && piled:
		s.Sure = true
	case silent && !f.known(e.Service):
		s.Kind = Silence
	case piled && grown.now >= grown.before+longPile && grown.now >= 3*grown.before+minPile:
		s.Since = f.end
	default:
		return Stall{}, false
	}
	hop, others := f.deepest(e.Service)
	if _, at := f.down(hop); !at.IsZero() {
		s.Kind, s.Sure = Hang, silent || piled
		if s.Since.After(at) || s.Since.IsZero() {
			s.Since = at
		}
	}
	s.Hop, s.Operation = hop, f.operation(hop, e)
	s.describe(f, got, expected, others)
	return s, true
}

// operation returns the operation of a hop in the requests of an entry, if it has only one.
func (f *fleet) operation(hop string, e evidence.EntrySeries) string {
	found := ""
	for _, h := range f.m.Hops {
		if h.Service == hop && h.Entry == e.Operation && h.Flow == "request" {
			if found != "" {
				return ""
			}
			found = h.Operation
		}
	}
	return found
}

// deepest returns the service, reached from another by calls, at which requests are held
// up, or whose process does not answer, and which calls no such service. If requests are
// held up in several, it returns the one that does not answer, or the first. others are the rest.
func (f *fleet) deepest(from string) (hop string, others []string) {
	held := func(s string) bool {
		_, piled := f.piles[s]
		stopped, _ := f.down(s)
		return piled || len(stopped) > 0
	}
	seen := map[string]bool{from: true}
	var ends []string
	for todo := []string{from}; len(todo) > 0; todo = todo[1:] {
		end := held(todo[0])
		for _, c := range f.calls[todo[0]] {
			if held(c) {
				end = false
			}
			if !seen[c] {
				seen[c] = true
				todo = append(todo, c)
			}
		}
		if end {
			ends = append(ends, todo[0])
		}
	}
	if len(ends) == 0 {
		return from, nil
	}
	weight := func(s string) float64 {
		stopped, _ := f.down(s)
		p := f.piles[s]
		return 1e6*float64(len(stopped)) + p.now - p.before
	}
	slices.SortStableFunc(ends, func(a, b string) int { return cmp.Compare(weight(b), weight(a)) })
	return ends[0], ends[1:]
}

// describe sets the evidence of a stall.
func (s *Stall) describe(f *fleet, got, expected float64, others []string) {
	what := fmt.Sprintf("requests hang at %s", s.Hop)
	if s.Kind == Silence {
		what = "requests hang, or there are none"
	}
	if p, ok := f.piles[s.Hop]; ok {
		what += fmt.Sprintf(": %.0f are in flight there, at most %.0f before", p.now, p.before)
		s.Evidence = append(s.Evidence, result.Signal{Signal: "requests in flight at " + s.Hop, Before: p.before, Now: p.now})
	} else if p, ok := f.piles[s.Entry.Service]; ok {
		what += fmt.Sprintf(": %.0f are in flight at %s, at most %.0f before", p.now, s.Entry.Service, p.before)
		s.Evidence = append(s.Evidence, result.Signal{Signal: "requests in flight at " + s.Entry.Service, Before: p.before, Now: p.now})
	}
	if expected > 0 {
		what += fmt.Sprintf("; since %s %.0f of about %.0f requests of %s have completed", s.Since.Format("15:04:05"), got, expected, s.Entry.Operation)
		s.Evidence = append(s.Evidence, result.Signal{Signal: "completed requests of " + s.Entry.Operation, Before: stats.Round(expected), Now: stats.Round(got)})
	}
	if stopped, since := f.down(s.Hop); len(stopped) > 0 {
		what += fmt.Sprintf("; %s has not answered a scrape since %s", instanceOf(stopped[0]), since.Format("15:04:05"))
		s.Evidence = append(s.Evidence, result.Signal{Signal: "up of " + instanceOf(stopped[0]), Before: 1, Now: 0})
		if len(stopped) < len(f.of[s.Hop]) {
			s.Instance = stopped[0].Instance
		}
	}
	if len(others) > 0 {
		what += fmt.Sprintf("; also held up: %v", others)
	}
	s.Why = what
}

// instanceOf names a process.
func instanceOf(p evidence.Process) string { return p.Service + " (" + p.Instance + ")" }
