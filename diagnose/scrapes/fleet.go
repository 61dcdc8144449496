// Package scrapes measures how soon a diagnosis names a slow hop, and what it says until
// then, by scrape interval and by share of traced requests. The fleet is synthetic and
// time is virtual; Prometheus's query engine answers the queries.
package scrapes

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tenhop/tenhop/trace"
)

// Fleet is six services behind an edge with two operations. Requests arrive at random,
// self times are log-normal, and both the rate and the times drift over the day.
type Fleet struct {
	Began   time.Time
	Rate    float64 // requests per second of the first operation; the second has a quarter
	Sampled float64 // share of the requests that are traced

	Onset time.Time // zero for none
	Slow  int       // hop that becomes slow
	Added float64   // seconds added to its self time

	Faults Faults    // others
	Bounds []float64 // of the buckets of entries' durations, in seconds; none if empty

	NativeOnly bool // the edge exports a native histogram instead of buckets

	seed   uint64
	hops   []hop
	second map[int64][]request // by second since Began
	traces map[int64][]trace.Trace
}

// hop is an operation of a service. Its calls follow each other.
type hop struct {
	service, operation string
	median             float64 // of the self time, seconds
	calls              []int
}

// request is one simulated request.
type request struct {
	start  time.Time
	entry  int // hop of the edge
	visits []visit
	traced bool
}

// visit is the time of a hop in a request, in seconds since its start.
type visit struct {
	hop, caller    int // caller is an index of visits; -1 for none
	from, to, self float64

	sent    float64 // when the request was sent, before the hop took it
	back    float64 // when the caller had the answer
	refused []int   // hops whose process was down when they were called
}

const link = .0005 // seconds, either way

// sigma is the standard deviation of the logarithm of a self time.
const sigma = .4

// New returns a fleet whose names, times and requests depend on seed.
func New(seed uint64, began time.Time, rate, sampled float64) *Fleet {
	rng := rand.New(rand.NewPCG(seed, 1))
	f := &Fleet{Began: began, Rate: rate, Sampled: sampled, seed: seed, second: map[int64][]request{}, traces: map[int64][]trace.Trace{}}
	name := func() string {
		s := ""
		for range 2 + rng.IntN(2) {
			s += string("bdfgklmnprstvz"[rng.IntN(14)]) + string("aeiou"[rng.IntN(5)])
		}
		return s
	}
	calls := [][]int{{1, 4}, {2, 3}, nil, nil, {5}, nil, {4}}
	for i, c := range calls {
		h := hop{service: fmt.Sprintf("%s%d", name(), i), median: .004 + .016*rng.Float64(), calls: c}
		h.operation = "POST /" + name()
		if i == len(calls)-1 { // the edge's second operation
			h.service = f.hops[0].service
		}
		f.hops = append(f.hops, h)
	}
	return f
}

// entries returns the hops at which requests begin.
func (f *Fleet) entries() []int { return []int{0, len(f.hops) - 1} }

// Mean returns the mean duration of the first operation's requests, in seconds, without
// drift and fault.
func (f *Fleet) Mean() float64 { return f.mean(0) }

func (f *Fleet) mean(i int) float64 {
	m := f.hops[i].median * math.Exp(sigma*sigma/2)
	for _, c := range f.hops[i].calls {
		m += f.mean(c) + 2*link
	}
	return m
}

// drift returns the factor of the time of day: 12 % up or down, with 24 h and 1.5 h.
func (f *Fleet) drift(at time.Time) float64 {
	t := at.Sub(f.Began).Hours()
	return 1 + .08*math.Sin(2*math.Pi*t/24) + .04*math.Sin(2*math.Pi*t/1.5)
}

// requests returns the requests that begin in a second since Began. They are kept for
// twenty minutes.
func (f *Fleet) requests(second int64) []request {
	if out, ok := f.second[second]; ok {
		return out
	}
	delete(f.second, second-1200)
	rng := rand.New(rand.NewPCG(f.seed, uint64(second)+2))
	var out []request
	for i, entry := range f.entries() {
		rate := f.Rate / math.Pow(4, float64(i)) * f.drift(f.Began.Add(time.Duration(second)*time.Second))
		for t := rng.ExpFloat64() / rate; t < 1; t += rng.ExpFloat64() / rate {
			r := request{start: f.Began.Add(time.Duration((float64(second) + t) * 1e9)), entry: entry, traced: rng.Float64() < f.Sampled}
			f.visit(rng, &r, entry, -1, 0)
			out = append(out, r)
		}
	}
	f.second[second] = out
	return out
}

// visit adds a hop and those it calls, and returns the time at which it is done.
func (f *Fleet) visit(rng *rand.Rand, r *request, i, caller int, from float64) float64 {
	at := r.start.Add(time.Duration(from * 1e9))
	self := f.hops[i].median * f.drift(at) * math.Exp(sigma*rng.NormFloat64())
	if !f.Onset.IsZero() && i == f.Slow && !at.Before(f.Onset) {
		self += f.Added
	}
	self += f.Faults.added(rng, f, i, at)
	n := len(r.visits)
	arrived := from
	from = f.run(i, r.start, from, 0)
	r.visits = append(r.visits, visit{hop: i, caller: caller, self: self, from: from, sent: arrived})
	t := f.run(i, r.start, from, .6*self)
	stopped := t - from - .6*self
	for _, c := range f.hops[i].calls {
		if f.down(c, r.start.Add(time.Duration((t+link)*1e9))) {
			r.visits[n].refused = append(r.visits[n].refused, c)
			continue
		}
		callee := len(r.visits)
		t = f.run(i, r.start, f.visit(rng, r, c, n, t+link)+link, 0)
		r.visits[callee].back = t
	}
	to := f.run(i, r.start, t, .4*self)
	stopped += to - t - .4*self
	r.visits[n].to, r.visits[n].self = to, self+stopped
	return to
}

// exportEvery is the interval at which SDKs send spans by default.
const exportEvery = 5 * time.Second

// arrived returns the time by which a span of a service that ends at a time is stored.
func (f *Fleet) arrived(service string, end time.Time) time.Time {
	phase := time.Duration(0)
	for _, c := range service {
		phase = (phase*31 + time.Duration(c)*time.Millisecond) % exportEvery
	}
	return end.Add(-phase).Truncate(exportEvery).Add(exportEvery + phase + 100*time.Millisecond)
}

// Traces returns the traces of requests that begin from a time up to another, newest
// first, with the spans that are stored at now.
func (f *Fleet) Traces(from, to, now time.Time) []trace.Trace {
	var out []trace.Trace
	if to.After(now) {
		to = now
	}
	first := max(int64(from.Sub(f.Began).Seconds()), 0)
	for s := int64(to.Sub(f.Began).Seconds()); s >= first; s-- {
		for _, t := range f.built(s, now) {
			if at := t.Spans[0].Start; !at.Before(from) && !at.After(to) {
				out = append(out, t)
			}
		}
	}
	return out
}

// settled is the age from which all spans of a request are stored.
const settled = 3 * exportEvery

// built returns the traces of the requests of a second, newest first, as stored at now.
func (f *Fleet) built(second int64, now time.Time) []trace.Trace {
	if out, ok := f.traces[second]; ok {
		return out
	}
	var out []trace.Trace
	for i, r := range f.requests(second) {
		if r.traced {
			if t := f.trace(r, fmt.Sprintf("%016x%016x", second+1, i+1), now); len(t.Spans) > 0 {
				out = append(out, t)
			}
		}
	}
	slices.SortFunc(out, func(a, b trace.Trace) int { return b.Spans[0].Start.Compare(a.Spans[0].Start) })
	if now.Sub(f.Began.Add(time.Duration(second)*time.Second)) > settled {
		delete(f.traces, second-1200)
		f.traces[second] = out
	}
	return out
}

func (f *Fleet) trace(r request, id string, now time.Time) trace.Trace {
	t := trace.Trace{ID: id}
	add := func(s trace.Span, from, to float64) {
		s.Start, s.Duration = r.start.Add(time.Duration(from*1e9)), time.Duration((to-from)*1e9)
		if !f.arrived(s.Service, s.End()).After(now) {
			t.Spans = append(t.Spans, s)
		}
	}
	for i, v := range r.visits {
		h := f.hops[v.hop]
		server := trace.Span{ID: fmt.Sprintf("%016x", 2*i+1), Service: h.service, Operation: h.operation, Kind: trace.Server}
		if v.caller >= 0 {
			server.Parent = fmt.Sprintf("%016x", 2*i+2)
			add(trace.Span{ID: server.Parent, Parent: fmt.Sprintf("%016x", 2*v.caller+1), Service: f.hops[r.visits[v.caller].hop].service,
				Operation: "POST", Kind: trace.Client, Attributes: map[string]string{"peer.service": h.service}}, v.from-link, v.to+link)
		}
		add(server, v.from, v.to)
	}
	return t
}

// Service returns the service of a hop.
func (f *Fleet) Service(hop int) string { return f.hops[hop].service }
