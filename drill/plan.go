package drill

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/drill/scenario"
	"github.com/tenhop/tenhop/middleware/chaos"
)

// Control is the kind of a round without a fault. Its right answer is that nothing is
// wrong.
const Control = "none"

// Two is the kind of a round with two faults of different kinds or hops at once. Both must
// be named.
const Two = "two"

// template is a kind of fault that drills inject, and the answers that are right.
type template struct {
	kind     string
	findings []string // kinds of finding
	causes   []string // kinds of cause; nil if the fault does not decide it

	// fault returns the fault with an amount that rng chooses. latency is the amount of
	// latency faults.
	fault func(rng *rand.Rand, latency time.Duration) chaos.Fault

	process bool // affects a whole process, not one operation
	store   bool // needs a service with a database
	writes  bool // needs one that writes to it
	calls   bool // needs a service whose calls cost enough time for customers to feel it if they are repeated
	one     bool // may affect one process of several
	nobody  bool // no hop is to blame
	slight  bool // customers may not feel it beside another fault

	from string // target of the fault that is no hop

	again time.Duration // time after which the fault is injected again; 0: once
}

// between returns a random duration.
func between(rng *rand.Rand, low, high time.Duration) chaos.Duration {
	return chaos.Duration((low + time.Duration(rng.Int64N(int64(high-low)+1))).Round(10 * time.Millisecond))
}

// templates returns the kinds of fault that drills inject. Kinds that the customers of the
// entry do not notice within a round are not among them: goroutines and leak, cache_loss,
// whose refusals are no failures, slow_consumer and poison, which delay what nobody waits
// for.
func templates() []template {
	own := []string{"self"}
	return []template{
		{kind: "latency", findings: own, one: true, fault: func(_ *rand.Rand, latency time.Duration) chaos.Fault {
			return chaos.Fault{Latency: chaos.Duration(latency)}
		}},
		{kind: "error", findings: []string{"errors"}, fault: func(rng *rand.Rand, _ time.Duration) chaos.Fault {
			return chaos.Fault{Code: "UNAVAILABLE", Percent: float64(20 + 10*rng.IntN(4))}
		}},
		{kind: "hang", findings: []string{"self", "errors"}, causes: []string{"frozen"}, fault: func(rng *rand.Rand, _ time.Duration) chaos.Fault {
			return chaos.Fault{Percent: float64(20 + 10*rng.IntN(4))}
		}},
		{kind: "cpu", findings: own, causes: []string{"cpu"}, fault: func(rng *rand.Rand, _ time.Duration) chaos.Fault {
			return chaos.Fault{Latency: between(rng, 40*time.Millisecond, 80*time.Millisecond)}
		}},
		{kind: "mutex", findings: own, causes: []string{"lock"}, fault: func(rng *rand.Rand, _ time.Duration) chaos.Fault {
			return chaos.Fault{Latency: between(rng, 200*time.Millisecond, 350*time.Millisecond)}
		}},
		{kind: "gc", findings: []string{"self", "link", "dependency"}, causes: []string{"gc"}, process: true, one: true, fault: func(*rand.Rand, time.Duration) chaos.Fault {
			return chaos.Fault{}
		}},
		{kind: "pool", findings: []string{"dependency"}, causes: []string{"pool"}, process: true, store: true, fault: func(rng *rand.Rand, _ time.Duration) chaos.Fault {
			return chaos.Fault{Latency: between(rng, 500*time.Millisecond, 800*time.Millisecond)}
		}},
		{kind: "store_lock", findings: []string{"dependency"}, causes: []string{"db_lock", "lock"}, process: true, store: true, writes: true, fault: func(rng *rand.Rand, _ time.Duration) chaos.Fault {
			return chaos.Fault{Latency: between(rng, 400*time.Millisecond, 700*time.Millisecond)}
		}},
		{kind: "freeze", findings: []string{"self", "link", "dependency", "errors"}, causes: []string{"frozen"}, process: true, one: true, fault: func(rng *rand.Rand, _ time.Duration) chaos.Fault {
			return chaos.Fault{Latency: between(rng, 300*time.Millisecond, 600*time.Millisecond)}
		}},
		{kind: "exit", findings: []string{"self", "link", "errors"}, causes: []string{"restart"}, process: true, again: 5 * time.Second, fault: func(*rand.Rand, time.Duration) chaos.Fault {
			return chaos.Fault{}
		}},
		{kind: "throttle", findings: []string{"self", "link", "dependency"}, causes: []string{"throttled", "frozen"}, process: true, one: true, fault: func(*rand.Rand, time.Duration) chaos.Fault {
			return chaos.Fault{Percent: 2}
		}},
		{kind: "slow_query", findings: []string{"dependency"}, causes: []string{"slow_query", "dependency"}, process: true, store: true, fault: func(rng *rand.Rand, _ time.Duration) chaos.Fault {
			return chaos.Fault{Latency: between(rng, 50*time.Millisecond, 90*time.Millisecond)}
		}},
		{kind: "link_delay", findings: []string{"link", "dependency"}, causes: []string{"link"}, process: true, fault: func(rng *rand.Rand, _ time.Duration) chaos.Fault {
			return chaos.Fault{Latency: between(rng, 60*time.Millisecond, 150*time.Millisecond)}
		}},
		{kind: "link_loss", findings: []string{"link", "dependency"}, causes: []string{"link"}, process: true, fault: func(rng *rand.Rand, _ time.Duration) chaos.Fault {
			return chaos.Fault{Percent: float64(20 + 10*rng.IntN(3))}
		}},
		{kind: "link_bandwidth", findings: []string{"link", "dependency"}, causes: []string{"link"}, process: true, fault: func(*rand.Rand, time.Duration) chaos.Fault {
			return chaos.Fault{Bytes: 3000}
		}},
		{kind: "link_reset", findings: []string{"errors", "link"}, causes: []string{"link", "dependency"}, process: true, fault: func(*rand.Rand, time.Duration) chaos.Fault {
			return chaos.Fault{Percent: 10} // a caller cannot tell a network that resets from a store that does
		}},
		{kind: "down", findings: []string{"errors", "dependency"}, causes: []string{"dependency"}, process: true, fault: func(*rand.Rand, time.Duration) chaos.Fault {
			return chaos.Fault{}
		}},
		{kind: "n_plus_one", findings: []string{"calls", "self", "dependency"}, causes: []string{"n_plus_one"}, process: true, calls: true, fault: func(*rand.Rand, time.Duration) chaos.Fault {
			return chaos.Fault{}
		}},
		{kind: "lost_concurrency", findings: []string{"concurrency"}, causes: []string{"lost_concurrency"}, process: true, slight: true, fault: func(*rand.Rand, time.Duration) chaos.Fault {
			return chaos.Fault{}
		}},
		{kind: "retry_storm", findings: []string{"calls", "errors", "link"}, causes: []string{"retries"}, process: true, calls: true, fault: func(rng *rand.Rand, _ time.Duration) chaos.Fault {
			return chaos.Fault{Factor: float64(8 + rng.IntN(8))}
		}},
		{kind: "mix", findings: []string{"mix"}, causes: []string{"mix"}, process: true, from: "shoppers", fault: func(rng *rand.Rand, _ time.Duration) chaos.Fault {
			return chaos.Fault{Factor: float64(30 + rng.IntN(11))}
		}},
		{kind: "surge", process: true, from: "shoppers", nobody: true, fault: func(*rand.Rand, time.Duration) chaos.Fault {
			return chaos.Fault{Factor: 3}
		}},
		{kind: Two},
		{kind: Control},
	}
}

// Kinds returns the kinds of fault that drills inject. The last is Control.
func Kinds() []string {
	var out []string
	for _, t := range templates() {
		out = append(out, t.kind)
	}
	return out
}

// named returns the templates with the given names, or those of latency without names.
func named(kinds []string) ([]template, error) {
	if len(kinds) == 0 {
		kinds = []string{"latency"}
	}
	var out []template
	for _, k := range kinds {
		i := slices.IndexFunc(templates(), func(t template) bool { return t.kind == k })
		if i < 0 {
			return nil, fmt.Errorf("drills have no kind %q; the kinds are %s", k, strings.Join(Kinds(), ", "))
		}
		out = append(out, templates()[i])
	}
	return out, nil
}

// plan is the sealed fault of a round.
type plan struct {
	Fault
	last time.Duration // time from the first fault until the last has begun
}

// control reports whether nothing must be named.
func (p plan) control() bool { return len(p.Expect) == 0 }

// choose returns the fault of a round. It depends on the seed and on the number of the round
// only, so that a drill can be continued.
func (r *runner) choose(n int) (plan, error) {
	if s := r.Scenario; s != nil {
		return r.exercise(*s)
	}
	rng := rand.New(rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "%d %d", r.Seed, n))))
	t := r.kinds[rng.IntN(len(r.kinds))]
	p := plan{Fault: Fault{Kind: t.kind}}
	var err error
	switch t.kind {
	case Control:
	case Two:
		if err = r.add(&p, rng, pick(rng, r.pairable())); err == nil {
			err = r.add(&p, rng, r.second(p, rng))
		}
	default:
		err = r.add(&p, rng, t)
	}
	return p, err
}

// pick returns a random element.
func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// pairable returns the kinds that two faults at once are chosen from. Those that fail
// requests are left out: requests that fail at the first fault do not show the second. So are
// those that customers may not feel beside another, which a round of one fault is void for.
func (r *runner) pairable() []template {
	of := slices.DeleteFunc(slices.Clone(r.kinds), func(t template) bool {
		return t.fault == nil || t.from != "" || t.slight || slices.Contains(t.findings, "errors")
	})
	if len(of) == 0 {
		of = templates()[:1]
	}
	return of
}

// second returns the kind of the second of two faults, one that a service without the first
// can have. Latency, which all take, is the last resort.
func (r *runner) second(p plan, rng *rand.Rand) template {
	of := r.pairable()
	t := pick(rng, of)
	if len(r.free(p, t)) > 0 {
		return t
	}
	of = slices.DeleteFunc(of, func(t template) bool { return len(r.free(p, t)) == 0 })
	if len(of) == 0 {
		return templates()[0]
	}
	return pick(rng, of)
}

// free returns the hops that can have a fault of a kind and whose service has none yet.
func (r *runner) free(p plan, t template) []Hop {
	return slices.DeleteFunc(slices.Clone(r.hops), func(h Hop) bool {
		taken := slices.ContainsFunc(p.Expect, func(a scenario.Answer) bool { return a.Hop == h.Service })
		return taken || !r.able(h, t)
	})
}

// offered reports whether a service takes faults of a kind. Without answers of the services
// all do.
func (r *runner) offered(service, kind string) bool {
	if r.offers == nil {
		return true
	}
	_, ok := r.offers[service][kind]
	return ok
}

// ask fills r.offers with the kinds that the services of the hops take, and leaves out the
// kinds of fault that none of them takes.
func (r *runner) ask(ctx context.Context) error {
	r.offers = map[string]map[string]chaos.Kind{}
	for _, h := range r.hops {
		if r.offers[h.Service] != nil || len(r.Faults.Services[h.Service]) == 0 {
			continue
		}
		kinds, err := r.Faults.Kinds(ctx, h.Service)
		if err != nil {
			return err
		}
		r.offers[h.Service] = map[string]chaos.Kind{}
		for _, k := range kinds {
			r.offers[h.Service][k.Name] = k
		}
	}
	r.kinds = slices.DeleteFunc(slices.Clone(r.kinds), func(t template) bool { return t.fault != nil && !r.possible(t) })
	if len(r.kinds) == 0 {
		return fmt.Errorf("no hop of %s can have a fault of these kinds", r.Entry.Operation)
	}
	return nil
}

// possible reports whether somebody can have a fault of a kind.
func (r *runner) possible(t template) bool {
	if t.from != "" {
		return len(r.Faults.Services[t.from]) > 0
	}
	return slices.ContainsFunc(r.hops, func(h Hop) bool { return r.able(h, t) })
}

// able reports whether a hop can have a fault of a kind.
func (r *runner) able(h Hop, t template) bool {
	if only := r.offers[h.Service][t.kind].Operations; len(only) > 0 && !slices.Contains(only, h.Operation) {
		return false
	}
	return len(r.Faults.Services[h.Service]) > 0 && (!t.store || h.Store) && (!t.writes || h.Writes) && (!t.calls || h.storm() <= maxStorm) &&
		r.offered(h.Service, t.kind) && r.Faults.Limits.allow(h, t)
}

// Bounds of repeated calls.
const (
	maxStorm = 40                    // factor beyond which the calls would take the machine
	minFelt  = 40 * time.Millisecond // time that is added to a request, or half of what it takes
)

// storm returns the factor by which the calls of a hop must be repeated for customers to feel
// it, or infinity.
func (h Hop) storm() float64 {
	return 1 + float64(max(minFelt, h.Request/2))/float64(h.Calls)
}

// add adds a fault of a kind to a plan, at a service that has none yet.
func (r *runner) add(p *plan, rng *rand.Rand, t template) error {
	if t.from != "" {
		return r.addFrom(p, rng, t)
	}
	able := r.free(*p, t)
	if len(able) == 0 {
		return fmt.Errorf("no hop of %s can have the fault %s", r.Entry.Operation, t.kind)
	}
	// The service comes first, so that all services have the same probability.
	var services []string
	for _, h := range able {
		services = append(services, h.Service)
	}
	service := pick(rng, slices.Compact(services))
	hop := pick(rng, slices.DeleteFunc(able, func(h Hop) bool { return h.Service != service }))

	f := scenario.Fault{Service: service, Fault: t.fault(rng, r.Latency), Every: chaos.Duration(t.again)}
	f.Kind = t.kind
	if t.calls {
		f.Factor = max(f.Factor, math.Ceil(hop.storm()))
	}
	if example := r.offers[service][t.kind].Example.Dependency; f.Dependency == "" && example != "" {
		f.Dependency = cmp.Or(hop.Callee, example) // one that the entry's requests wait for
	}
	f.Fault = r.Faults.Limits.within(f.Fault)
	want := scenario.Answer{Hop: service, Kinds: t.findings, Causes: t.causes}
	if strings.HasPrefix(t.kind, "link_") && hop.Callee == "" && !slices.Contains(t.causes, "dependency") {
		want.Causes = append(slices.Clone(t.causes), "dependency") // stores do not say how long they took
	}
	if t.kind == "down" && hop.Callee != "" && f.Dependency == hop.Callee {
		// A service that answers scrapes and not its caller is not down: calls fail on the way.
		want.Kinds, want.Causes = append(slices.Clone(t.findings), "link"), append(slices.Clone(t.causes), "link")
	}
	if !t.process {
		f.Operation, want.Operation = hop.Operation, hop.Operation
	}
	if all := r.Faults.Services[service]; t.one && len(all) > 1 {
		f.Service = pick(rng, all)
		want.Instance = f.Service
	}
	if len(p.Injected) == 0 {
		p.Hop, p.Operation, p.Instance, p.Latency, p.Percent = want.Hop, want.Operation, want.Instance, f.Latency, f.Percent
	}
	p.Injected, p.Expect = append(p.Injected, f), append(p.Expect, want)
	return nil
}

// addFrom adds a fault of those that ask, not of a hop.
func (r *runner) addFrom(p *plan, rng *rand.Rand, t template) error {
	if len(r.Faults.Services[t.from]) == 0 {
		return fmt.Errorf("there are no %s, which the fault %s needs", t.from, t.kind)
	}
	f := scenario.Fault{Service: t.from, Fault: t.fault(rng, r.Latency)}
	f.Kind = t.kind
	p.Injected = append(p.Injected, f)
	if !t.nobody {
		p.Expect = append(p.Expect, scenario.Answer{Kinds: t.findings, Causes: t.causes})
	}
	return nil
}

// exercise returns the plan of a scenario.
func (r *runner) exercise(s scenario.Scenario) (plan, error) {
	if service, n := s.Missing(r.Faults.Services); service != "" {
		return plan{}, fmt.Errorf("the scenario %s needs %d instances of %s; start the storefront with `tenhop up --replicas %s=%d`", s.Name, n, service, service, n)
	}
	p := plan{Fault: Fault{Kind: Control, Scenario: s.Name, Injected: s.Faults, Expect: s.Expect}, last: s.Last()}
	for i, f := range s.Faults {
		switch {
		case len(s.Expect) == 0: // nobody may feel it
		case i == 0:
			p.Kind, p.Latency, p.Percent = f.Kind, f.Latency, f.Percent
		case f.Kind != p.Kind || f.Service != s.Faults[0].Service:
			p.Kind = Two
		}
	}
	if len(s.Expect) > 0 {
		first := s.Expect[0]
		p.Hop, p.Operation, p.Instance = first.Hop, first.Operation, first.Instance
	}
	return p, nil
}
