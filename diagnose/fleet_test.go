package diagnose_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/trace"
)

// fleet is a set of services that call each other without cycles.
type fleet struct {
	endpoints []endpoint
	entries   []int         // endpoints that customers call
	stagger   time.Duration // mean time between the starts of parallel calls
}

// faults holds the time added by service: to its own work, and to each message that it
// sends.
type faults struct{ self, net map[string]time.Duration }

// endpoint is an operation of a service. It works for own, then runs its steps one
// after another. The calls of one step run in parallel.
type endpoint struct {
	service, operation string
	own                time.Duration
	steps              [][]int // endpoints called
}

// randomName returns a name that means nothing.
func randomName(rng *rand.Rand) string {
	name := make([]byte, 4+rng.IntN(8))
	for i := range name {
		name[i] = "abcdefghijklmnopqrstuvwxyz"[rng.IntN(26)]
	}
	return string(name)
}

// randomFleet returns a fleet of n services with one or two entries.
func randomFleet(rng *rand.Rand, n int) fleet {
	var f fleet
	for range n {
		f.endpoints = append(f.endpoints, endpoint{service: randomName(rng), operation: randomName(rng),
			own: time.Duration((1 + 19*rng.Float64()) * float64(time.Millisecond))})
	}
	f.entries = []int{0}
	f.stagger = time.Duration(rng.IntN(2)) * 20 * time.Microsecond
	if rng.IntN(2) == 0 {
		// A second operation of the first service is an entry of its own.
		f.endpoints = append(f.endpoints, endpoint{service: f.endpoints[0].service, operation: randomName(rng), own: 4 * time.Millisecond})
		f.entries = append(f.entries, n)
	}
	// Each endpoint is called by one that has a lower number. A few have two callers.
	for i := 1; i < n; i++ {
		callers := []int{rng.IntN(i)}
		if callers[0] == 0 && len(f.entries) > 1 && rng.IntN(2) == 0 {
			callers[0] = n
		}
		if rng.IntN(5) == 0 {
			if other := rng.IntN(i); other != callers[0] {
				callers = append(callers, other)
			}
		}
		for _, c := range callers {
			e := &f.endpoints[c]
			if len(e.steps) > 0 && rng.IntN(2) == 0 {
				last := len(e.steps) - 1
				e.steps[last] = append(e.steps[last], i)
			} else {
				e.steps = append(e.steps, []int{i})
			}
		}
	}
	return f
}

// shop returns a fleet in the form of a small shop: three entries at one service, and a
// purchase that takes six services, two of them in parallel. The names are random.
func shop(rng *rand.Rand) fleet {
	var f fleet
	add := func(service string, ms float64, steps ...[]int) int {
		f.endpoints = append(f.endpoints, endpoint{service: service, operation: randomName(rng), own: time.Duration(ms * 1e6), steps: steps})
		return len(f.endpoints) - 1
	}
	front, users, stock := randomName(rng), randomName(rng), randomName(rng)
	user := add(users, 2)
	points := add(randomName(rng), 3)
	price := add(randomName(rng), 6, []int{points})
	reserve := add(stock, 5)
	check := add(randomName(rng), 8)
	pay := add(randomName(rng), 12, []int{check})
	order := add(randomName(rng), 7)
	buy := add(randomName(rng), 4, []int{price, reserve}, []int{pay}, []int{order})
	look := add(stock, 3)
	list := add(randomName(rng), 9, []int{look})
	f.entries = []int{add(front, 2, []int{user}, []int{buy}), add(front, 2, []int{list}), add(front, 1, []int{user})}
	return f
}

// recorder makes the spans of one request.
type recorder struct {
	fleet fleet
	rng   *rand.Rand
	slow  faults
	spans []trace.Span
}

func (r *recorder) span(parent, service, operation string, kind trace.Kind, at time.Time) int {
	r.spans = append(r.spans, trace.Span{ID: fmt.Sprint(len(r.spans) + 1), Parent: parent, Service: service, Operation: operation, Kind: kind,
		Start: at, Attributes: map[string]string{}})
	return len(r.spans) - 1
}

// net returns the time that a message of a service is on its way.
func (r *recorder) net(from string) time.Duration {
	return time.Duration((.2+.4*r.rng.Float64())*float64(time.Millisecond)) + r.vary(r.slow.net[from])
}

// vary returns a time that differs from d by up to a tenth.
func (r *recorder) vary(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (.9 + .2*r.rng.Float64()))
}

// serve adds the spans of a call of an endpoint and returns its end.
func (r *recorder) serve(parent string, e endpoint, at time.Time) time.Time {
	i := r.span(parent, e.service, e.operation, trace.Server, at)
	own := time.Duration(float64(e.own)*math.Exp(.3*r.rng.NormFloat64())) + r.vary(r.slow.self[e.service])
	at = at.Add(own / 2)
	for _, step := range e.steps {
		end, sent := at, at
		for _, k := range r.rng.Perm(len(step)) {
			callee := r.fleet.endpoints[step[k]]
			call := r.span(r.spans[i].ID, e.service, "call "+callee.operation, trace.Client, sent)
			r.spans[call].Attributes["peer.service"] = callee.service
			back := r.serve(r.spans[call].ID, callee, sent.Add(r.net(e.service))).Add(r.net(callee.service))
			r.spans[call].Duration = back.Sub(sent)
			if back.After(end) {
				end = back
			}
			sent = sent.Add(time.Duration(float64(r.fleet.stagger) * r.rng.ExpFloat64()))
		}
		at = end
	}
	at = at.Add(own - own/2)
	r.spans[i].Duration = at.Sub(r.spans[i].Start)
	return at
}

// record returns n traces that start two seconds apart, of all entries in turn.
func (f fleet) record(rng *rand.Rand, n int, at time.Time, slow faults) []trace.Trace {
	var out []trace.Trace
	for i := range n {
		r := recorder{fleet: f, rng: rng, slow: slow}
		r.serve("", f.endpoints[f.entries[i%len(f.entries)]], at.Add(time.Duration(i)*2*time.Second))
		out = append(out, trace.Trace{ID: fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64()), Spans: r.spans})
	}
	return out
}

// between diagnoses the traces of two files, as `tenhop diagnose --before` does.
func between(before, now []trace.Trace) result.Result {
	s := sample.New()
	base, is := compare.NewProfile(), compare.NewProfile()
	for _, t := range before {
		s.Add(t)
		base.Add(t, nil)
	}
	s.EndBaseline()
	for _, t := range now {
		s.Add(t)
		is.Add(t, nil)
	}
	baseline, _ := s.Join()
	c := compare.Profiles(base, is)
	d := diagnose.Diagnose(diagnose.Evidence{Sample: s, Comparison: &c}, diagnose.Options{BaselineFrom: baseline.From, BaselineTo: baseline.To})
	d.ExplainSample()
	return d.Result()
}

// within diagnoses the traces of one file.
func within(traces []trace.Trace) result.Result {
	s := sample.New()
	for _, t := range traces {
		s.Add(t)
	}
	d := diagnose.Diagnose(diagnose.Evidence{Sample: s}, diagnose.Options{})
	d.ExplainSample()
	return d.Result()
}
