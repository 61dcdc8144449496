package promtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Fleet is a generated fleet of services with random names, in which one service may be
// slower from the onset on. The first service is the edge and has three operations. The
// last two only consume messages.
type Fleet struct {
	Began, Onset time.Time
	Every        time.Duration // scrape interval
	Services     []Service
}

// Service is a service of a Fleet.
type Service struct {
	Name       string
	Operations []*Operation
}

// Operation is an operation that a service serves.
type Operation struct {
	Service  int // index in Fleet.Services
	Name     string
	Rate     float64 // requests per second
	More     float64 // requests per second in addition from the onset on
	Self     float64 // seconds
	Added    float64 // seconds of self time from the onset on
	Calls    []Call
	Consumer bool // handles messages
}

// Call is a call that each request of an operation makes, one after the other. Without
// an Operation it is a statement in a database, which takes Store seconds.
type Call struct {
	*Operation
	Link  float64 // seconds on the way
	Store float64
}

// NewFleet returns a fleet of a number of services, generated from a seed.
func NewFleet(seed uint64, services int, began, onset time.Time) *Fleet {
	rng := rand.New(rand.NewPCG(seed, 1))
	f := &Fleet{Began: began, Onset: onset, Every: 5 * time.Second}
	for i := range services {
		f.Services = append(f.Services, Service{Name: fmt.Sprintf("%c%05x", 'a'+rng.IntN(26), rng.IntN(1<<20))})
		ops := 1 + rng.IntN(2)
		if i == 0 {
			ops = 3
		}
		for range ops {
			f.Services[i].Operations = append(f.Services[i].Operations, &Operation{Service: i, Name: fmt.Sprintf("POST /%06x", rng.IntN(1<<24)),
				Self: .002 + .01*rng.Float64(), Consumer: i >= services-2})
		}
	}
	edge := f.Services[0].Operations
	for i := 1; i < services-2; i++ { // every operation has a caller among the services before
		for _, op := range f.Services[i].Operations {
			callers := f.Services[rng.IntN(i)].Operations
			caller := callers[rng.IntN(len(callers))]
			caller.Calls = append(caller.Calls, Call{Operation: op, Link: .001})
		}
		if i%3 == 0 {
			op := f.Services[i].Operations[0]
			op.Calls = append(op.Calls, Call{Store: .003})
		}
	}
	for i, op := range edge {
		op.Send(float64(8+6*i), false)
	}
	for _, s := range f.Services[services-2:] {
		for _, op := range s.Operations {
			op.Send(6, false)
		}
	}
	return f
}

// Send adds requests per second to an operation and those that it calls: all the time or,
// if late is set, from the onset on.
func (o *Operation) Send(rate float64, late bool) {
	if late {
		o.More += rate
	} else {
		o.Rate += rate
	}
	for _, c := range o.Calls {
		if c.Operation != nil {
			c.Send(rate, late)
		}
	}
}

// Sends returns the requests per second of another operation, or of the same one, that
// the requests of an operation cause.
func (o *Operation) Sends(to *Operation) float64 {
	if o == to {
		return o.Rate
	}
	calls := 0.0
	for _, c := range o.Calls {
		if c.Operation != nil && c.Rate > 0 {
			calls += o.Rate * c.Sends(to) / c.Rate
		}
	}
	return calls
}

// Slow adds seconds to the self time of all operations of a service, and to those of no
// other.
func (f *Fleet) Slow(service int, seconds float64) {
	for i, s := range f.Services {
		for _, op := range s.Operations {
			op.Added = 0
			if i == service {
				op.Added = seconds
			}
		}
	}
}

// Took returns the duration of an operation in seconds, before the onset and after it.
func (o *Operation) Took() (before, then float64) {
	before, then = o.Self, o.Self+o.Added
	for _, c := range o.Calls {
		b, t := c.Took()
		before, then = before+b, then+t
	}
	return before, then
}

// Took returns the duration of a call as its caller measures it.
func (c Call) Took() (before, then float64) {
	if c.Operation == nil {
		return c.Store, c.Store
	}
	before, then = c.Operation.Took()
	return before + c.Link, then + c.Link
}

// Histogram returns the counters of durations at a rate: _sum and _count. Durations are
// multiplied by unit.
func (f *Fleet) Histogram(family string, labels map[string]string, rate, before, then, unit float64) []Counter {
	return f.Growing(family, labels, rate, 0, before, then, unit)
}

// Growing returns the same as Histogram, with more requests per second from the onset on.
func (f *Fleet) Growing(family string, labels map[string]string, rate, more, before, then, unit float64) []Counter {
	shop := Shop{Began: f.Began, Onset: f.Onset}
	return []Counter{
		{Name: family + "_sum", Labels: labels, At: shop.counter(rate*before*unit, (rate+more)*then*unit)},
		{Name: family + "_count", Labels: labels, At: shop.counter(rate, rate+more)},
	}
}

// Native returns the same durations as Histogram as a native histogram in seconds.
func (f *Fleet) Native(family string, labels map[string]string, rate, before, then float64) []Counter {
	count := Shop{Began: f.Began, Onset: f.Onset}.counter(rate, rate)
	return []Counter{{Name: family, Labels: labels, Native: func(at time.Time) map[float64]float64 {
		all := math.Floor(count(at))
		early := math.Min(all, math.Floor(count(f.Onset)))
		return map[float64]float64{before: early, then: all - early}
	}}}
}
