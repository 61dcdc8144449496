package scrapes

import (
	"math"
	"math/rand/v2"
	"time"
)

// Faults holds faults of a Fleet besides a slow hop. The zero value has none.
type Faults struct {
	// Share is the share of requests that Fleet.Added does not slow and that Tail, in
	// seconds, does. On and Off, if set, are the lengths of its alternate phases. Until
	// is the end of the fault, or zero.
	Share, Tail float64
	On, Off     time.Duration
	Until       time.Time

	// Heavy is the scale, in seconds, of rare delays of ordinary requests at any hop: one
	// in two hundred takes that much longer, times a Pareto variable.
	Heavy float64

	Stopped func(hop int) []Span // when the process of a hop is stopped; nil for never
	Killed  func(hop int) []Span // when it does not run
}

// Span is a range of time.
type Span struct{ From, To time.Time }

// heavyShare and heavyIndex describe Faults.Heavy.
const (
	heavyShare = .005
	heavyIndex = 2.5
)

// added returns the seconds that faults add to a visit.
func (x Faults) added(rng *rand.Rand, f *Fleet, hop int, at time.Time) (out float64) {
	if x.Heavy > 0 && rng.Float64() < heavyShare {
		out += x.Heavy * math.Pow(rng.Float64(), -1/heavyIndex)
	}
	if x.Share == 0 || hop != f.Slow || at.Before(f.Onset) || !x.Until.IsZero() && !at.Before(x.Until) {
		return out
	}
	if x.On > 0 && at.Sub(f.Onset)%(x.On+x.Off) >= x.On {
		return out
	}
	if rng.Float64() < x.Share {
		out += x.Tail
	}
	return out
}

// run returns the time at which a hop has worked for some seconds. It does not work
// while its process is stopped. Times are seconds since start.
func (f *Fleet) run(hop int, start time.Time, from, work float64) float64 {
	if f.Faults.Stopped == nil {
		return from + work
	}
	at := from
	for _, s := range f.Faults.Stopped(hop) {
		stop, resume := s.From.Sub(start).Seconds(), s.To.Sub(start).Seconds()
		switch {
		case resume <= at:
		case stop > at+work:
			return at + work
		default:
			work -= math.Max(stop-at, 0)
			at = resume
		}
	}
	return at + work
}

// down reports whether the process of a hop does not run.
func (f *Fleet) down(hop int, at time.Time) bool {
	return f.Faults.Killed != nil && within(f.Faults.Killed(hop), at)
}

func within(spans []Span, at time.Time) bool {
	for _, s := range spans {
		if !at.Before(s.From) && at.Before(s.To) {
			return true
		}
	}
	return false
}

// others adds the requests in flight of a visit and its calls.
func (f *Fleet) others(r request, v visit, add func(at time.Time, service, name string, amount float64, labels ...string)) {
	after := func(seconds float64) time.Time { return r.start.Add(time.Duration(seconds * 1e9)) }
	h := f.hops[v.hop]
	add(after(v.from), h.service, "http_server_active_requests", 1, "http_request_method", "POST")
	add(after(v.to), h.service, "http_server_active_requests", -1, "http_request_method", "POST")
	call := func(at time.Time, caller, callee int, kind string) {
		add(at, f.hops[caller].service, "http_client_request_duration_seconds_count", 1, "http_request_method", "POST",
			"dependency", f.hops[callee].service, "error_type", kind)
	}
	if v.caller >= 0 {
		call(after(v.back), r.visits[v.caller].hop, v.hop, "")
	}
	for _, c := range v.refused {
		call(after(v.to), v.hop, c, "connection_refused")
	}
}

// Scrape returns what a scrape of a service finds at a time: whether it answers, and how
// long it takes in seconds. timeout is the longest time.
func (f *Fleet) Scrape(service string, at time.Time, timeout time.Duration) (up bool, took float64) {
	took = .003 + .002*math.Mod(float64(at.UnixMilli()), 7)/7
	for i, h := range f.hops {
		if h.service != service || f.Faults.Stopped == nil {
			continue
		}
		took = f.run(i, at, 0, took)
		break
	}
	for i, h := range f.hops {
		if h.service == service && f.down(i, at) {
			return false, .001
		}
	}
	if took > timeout.Seconds() {
		return false, timeout.Seconds()
	}
	return true, took
}

// Started returns the time at which the process of a service that runs at a time began.
func (f *Fleet) Started(service string, at time.Time) time.Time {
	began := f.Began.Add(-time.Hour)
	for i, h := range f.hops {
		if h.service != service || f.Faults.Killed == nil {
			continue
		}
		for _, s := range f.Faults.Killed(i) {
			if !s.To.After(at) && s.To.After(began) {
				began = s.To
			}
		}
	}
	return began
}

// Hops returns the number of hops.
func (f *Fleet) Hops() int { return len(f.hops) }

// Callers returns the hops that call a hop.
func (f *Fleet) Callers(hop int) (out []int) {
	for i, h := range f.hops {
		for _, c := range h.calls {
			if c == hop {
				out = append(out, i)
			}
		}
	}
	return out
}
