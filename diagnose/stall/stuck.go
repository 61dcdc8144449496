package stall

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// Thresholds of requests that are held. Requests that only take long end: the slowest of
// those that the rules were tried on, 2.5 s, stays below. They were set on simulated fleets.
const (
	minHeldAge  = 4.0 // seconds, of the oldest request in two scrapes
	heldGrowth  = 3   // of that age to the largest before
	minHeldMore = 2   // requests beyond the ordinary, for a verdict that is sure
	lostScrapes = 3   // intervals without a scrape, after which a process holds nothing
	sameAge     = .7  // of a caller's oldest request, from which it is the callee's, too
)

// stuck holds an operation of a process with a request that does not end.
type stuck struct {
	evidence.Process
	operation      string
	at             time.Time // of the last reading
	before, now    float64   // age of the oldest, seconds
	usual, holding float64   // requests
	ended          float64   // requests, before
}

// held returns the stuck operations of a service.
func (f *fleet) held(service string) (out []stuck) {
	for _, p := range f.of[service] {
		for _, h := range p.Held {
			n := len(h.Oldest)
			if n < 3 || len(h.Active) == 0 {
				continue
			}
			s := stuck{Process: p, operation: h.Operation, at: h.Oldest[n-1].At, now: h.Oldest[n-1].Value, holding: h.Active[len(h.Active)-1].Value}
			known := false
			for _, r := range h.Oldest {
				if r.At.Before(f.end.Add(-recent)) {
					s.before, known = max(s.before, r.Value), true
				}
			}
			for _, r := range h.Active {
				if r.At.Before(f.end.Add(-recent)) {
					s.usual = max(s.usual, r.Value)
				}
			}
			least := max(minHeldAge, heldGrowth*s.before)
			// The same request was there at the scrape before, or others as old.
			age := h.Oldest[n-1].At.Sub(h.Oldest[n-2].At).Seconds()
			if f.end.Sub(h.Oldest[n-1].At).Seconds() > lostScrapes*age {
				continue // it is gone, or down
			}
			// A stream takes as long as its client wants.
			var took float64
			if s.ended, took = f.ended(service, h.Operation); s.now < heldGrowth*took {
				continue
			}
			if known && s.now >= least && h.Oldest[n-2].Value >= min(least, s.now-1.5*age) && h.Oldest[n-2].Value > 0 {
				out = append(out, s)
			}
		}
	}
	slices.SortFunc(out, func(a, b stuck) int { return cmp.Compare(b.now, a.now) })
	return out
}

// ended returns how many requests of an operation ended before the last minute, and the
// seconds that one took.
func (f *fleet) ended(service, operation string) (n, took float64) {
	var w evidence.Window
	for i := range f.m.Steps {
		if f.m.At(i + 1).Before(f.end.Add(-recent)) {
			w = append(w, i)
		}
	}
	for _, h := range f.m.Hops {
		if h.Service == service && h.Operation == operation {
			n, took = n+w.Sum(h.Count), took+w.Sum(h.Duration)
		}
	}
	return n, took / max(n, 1)
}

// holds reports whether a service handles a request that is about as old as the oldest of a
// caller, s. Its processes may have been read some time before the caller, when the caller's
// request was younger.
func (f *fleet) holds(service string, s stuck) bool {
	for _, p := range f.of[service] {
		for _, h := range p.Held {
			if n := len(h.Oldest); n > 0 {
				younger := max(s.at.Sub(h.Oldest[n-1].At).Seconds(), 0)
				if h.Oldest[n-1].Value >= sameAge*(s.now-younger) {
					return true
				}
			}
		}
	}
	return false
}

// silentCallees returns the services that a service calls and that do not report which requests
// they handle.
func (f *fleet) silentCallees(service string) (out []string) {
	for _, c := range f.calls[service] {
		serves := slices.ContainsFunc(f.m.Hops, func(h evidence.HopSeries) bool { return h.Service == c })
		reports := slices.ContainsFunc(f.of[c], func(p evidence.Process) bool { return len(p.Held) > 0 })
		if serves && !reports {
			out = append(out, c)
		}
	}
	slices.Sort(out)
	return out
}

// stuck returns the stall of the service at which requests are held, of which only some
// need hang, and which waits for no service that holds them or does not answer.
func (f *fleet) stuck() (Stall, bool) {
	all := map[string][]stuck{}
	var services []string
	for s := range f.of {
		if h := f.held(s); len(h) > 0 {
			all[s] = h
			services = append(services, s)
		}
	}
	waits := func(s string) bool {
		return slices.ContainsFunc(f.calls[s], func(c string) bool {
			stopped, _ := f.down(c)
			return len(stopped) > 0 || f.holds(c, all[s][0])
		})
	}
	services = slices.DeleteFunc(services, waits)
	if len(services) == 0 {
		return Stall{}, false
	}
	slices.SortFunc(services, func(a, b string) int {
		return cmp.Or(cmp.Compare(all[b][0].now, all[a][0].now), cmp.Compare(a, b))
	})
	worst := all[services[0]][0]
	s := Stall{Hop: worst.Service, Operation: worst.operation, Entry: f.entry(worst.Service), Kind: Stuck,
		Since: f.end.Add(-secondsOf(worst.now)), Sure: worst.holding >= worst.usual+minHeldMore && worst.ended >= stats.MinRequests}
	if len(f.of[s.Hop]) > 1 && len(all[s.Hop]) == 1 {
		s.Instance = worst.Instance
	}
	s.Why = fmt.Sprintf("requests hang at %s: of %s, %.0f are in flight, at most %.0f before; the oldest is %.0f s old, at most %s before",
		s.Hop, worst.operation, worst.holding, worst.usual, worst.now, secondsOf(worst.before))
	if callees := f.silentCallees(s.Hop); len(callees) > 0 {
		s.Sure = false
		s.Why += fmt.Sprintf("; %s may hold them, which %s calls: requests in flight are not known there", strings.Join(callees, " or "), s.Hop)
	}
	s.Evidence = []result.Signal{
		{Signal: "age of the oldest request at " + s.Hop, Before: stats.Round(worst.before), Now: stats.Round(worst.now), Unit: "s"},
		{Signal: "requests in flight at " + s.Hop, Before: worst.usual, Now: worst.holding}}
	return s, true
}
