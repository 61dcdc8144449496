package drill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// Control is the kind of a round without a fault. Its right answer is that nothing is
// wrong.
const Control = "none"

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
	one     bool // may affect one process of several
	nobody  bool // no hop is to blame

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
			return chaos.Fault{Latency: between(rng, 60*time.Millisecond, 100*time.Millisecond)}
		}},
		{kind: "gc", findings: []string{"self", "link"}, causes: []string{"gc"}, process: true, one: true, fault: func(*rand.Rand, time.Duration) chaos.Fault {
			return chaos.Fault{}
		}},
		{kind: "pool", findings: []string{"dependency"}, causes: []string{"pool"}, process: true, store: true, fault: func(rng *rand.Rand, _ time.Duration) chaos.Fault {
			return chaos.Fault{Latency: between(rng, 500*time.Millisecond, 800*time.Millisecond)}
		}},
		{kind: "store_lock", findings: []string{"dependency"}, causes: []string{"db_lock", "lock"}, process: true, store: true, fault: func(rng *rand.Rand, _ time.Duration) chaos.Fault {
			return chaos.Fault{Latency: between(rng, 400*time.Millisecond, 700*time.Millisecond)}
		}},
		{kind: "freeze", findings: []string{"self", "link", "errors"}, causes: []string{"frozen"}, process: true, one: true, fault: func(rng *rand.Rand, _ time.Duration) chaos.Fault {
			return chaos.Fault{Latency: between(rng, 300*time.Millisecond, 600*time.Millisecond)}
		}},
		{kind: "exit", findings: []string{"self", "link", "errors"}, causes: []string{"restart"}, process: true, again: 8 * time.Second, fault: func(*rand.Rand, time.Duration) chaos.Fault {
			return chaos.Fault{}
		}},
		{kind: "throttle", findings: []string{"self", "link"}, causes: []string{"throttled", "frozen"}, process: true, one: true, fault: func(*rand.Rand, time.Duration) chaos.Fault {
			return chaos.Fault{Percent: 2}
		}},
		{kind: "slow_query", findings: []string{"dependency"}, causes: []string{"slow_query"}, process: true, store: true, fault: func(rng *rand.Rand, _ time.Duration) chaos.Fault {
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
		{kind: "link_reset", findings: []string{"errors", "link"}, causes: []string{"link"}, process: true, fault: func(*rand.Rand, time.Duration) chaos.Fault {
			return chaos.Fault{Percent: 10}
		}},
		{kind: "down", findings: []string{"errors", "dependency"}, causes: []string{"dependency"}, process: true, fault: func(*rand.Rand, time.Duration) chaos.Fault {
			return chaos.Fault{}
		}},
		{kind: "n_plus_one", findings: []string{"calls", "self", "dependency"}, causes: []string{"n_plus_one"}, process: true, fault: func(*rand.Rand, time.Duration) chaos.Fault {
			return chaos.Fault{}
		}},
		{kind: "lost_concurrency", findings: []string{"concurrency"}, causes: []string{"lost_concurrency"}, process: true, fault: func(*rand.Rand, time.Duration) chaos.Fault {
			return chaos.Fault{}
		}},
		{kind: "retry_storm", findings: []string{"calls", "errors", "link"}, causes: []string{"retries"}, process: true, fault: func(rng *rand.Rand, _ time.Duration) chaos.Fault {
			return chaos.Fault{Factor: float64(8 + rng.IntN(8))}
		}},
		{kind: "mix", findings: []string{"mix"}, causes: []string{"mix"}, process: true, from: "shoppers", fault: func(rng *rand.Rand, _ time.Duration) chaos.Fault {
			return chaos.Fault{Factor: float64(12 + rng.IntN(12))}
		}},
		{kind: "surge", process: true, from: "shoppers", nobody: true, fault: func(*rand.Rand, time.Duration) chaos.Fault {
			return chaos.Fault{Factor: 3}
		}},
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
	template
	Fault         // what is reported afterwards
	target string // service or process
	inject chaos.Fault
}

// choose returns the fault of the next round. It draws the kind first, then the hop.
func (r *runner) choose() (plan, error) {
	t := r.kinds[r.rng.IntN(len(r.kinds))]
	p := plan{template: t, Fault: Fault{Kind: t.kind}}
	if t.kind == Control {
		return p, nil
	}
	if t.from != "" {
		if len(r.Faults.Services[t.from]) == 0 {
			return p, fmt.Errorf("there are no %s, which the fault %s needs", t.from, t.kind)
		}
		p.inject, p.target = t.fault(r.rng, r.Latency), t.from
		p.inject.Kind, p.inject.Sealed = t.kind, true
		return p, nil
	}
	hop, ok := r.pick(t)
	if !ok {
		return p, fmt.Errorf("no hop of %s can have the fault %s", r.Entry.Operation, t.kind)
	}
	p.inject = t.fault(r.rng, r.Latency)
	p.inject.Kind, p.inject.Sealed = t.kind, true
	if k := r.offers[hop.Service][t.kind]; p.inject.Dependency == "" {
		p.inject.Dependency = k.Example.Dependency
	}
	p.Hop, p.target = hop.Service, hop.Service
	p.Latency, p.Percent = p.inject.Latency, p.inject.Percent
	if !t.process {
		p.Operation, p.inject.Operation = hop.Operation, hop.Operation
	}
	if all := r.Faults.Services[hop.Service]; t.one && len(all) > 1 {
		p.target = all[r.rng.IntN(len(all))]
		p.Instance = p.target
	}
	return p, nil
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

// ask fills r.offers with the kinds that the services of the hops take.
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
	return nil
}

// pick returns a random hop that can have the fault. It chooses the service first, so that
// all services have the same probability.
func (r *runner) pick(t template) (Hop, bool) {
	able := slices.DeleteFunc(slices.Clone(r.hops), func(h Hop) bool {
		return len(r.Faults.Services[h.Service]) == 0 || t.store && !h.Store || !r.offered(h.Service, t.kind)
	})
	if len(able) == 0 {
		return Hop{}, false
	}
	var services []string
	for _, h := range able {
		services = append(services, h.Service)
	}
	services = slices.Compact(services)
	service := services[r.rng.IntN(len(services))]
	of := slices.DeleteFunc(able, func(h Hop) bool { return h.Service != service })
	return of[r.rng.IntN(len(of))], true
}

// score compares an answer with the fault. A hop without self-time metrics may be the
// target of its caller's wait instead.
func (p plan) score(r *Round, a answer) {
	if p.kind == Control || p.nobody {
		r.RightHop = !a.found()
		r.RightOperation, r.RightKind = r.RightHop, r.RightHop
		return
	}
	if !a.found() {
		return
	}
	top := a.Findings[0]
	own := top.Hop == p.Hop
	waited := top.Kind == "dependency" && top.Target == p.Hop
	r.RightHop = own || waited
	r.RightOperation = waited || own && (p.Operation == "" || top.Operation == p.Operation)
	r.RightKind = waited || own && slices.Contains(p.findings, top.Kind)
	if p.Instance != "" {
		right := own && top.Instance == p.Instance
		r.RightInstance = &right
	}
	if len(p.causes) > 0 {
		right := slices.Contains(p.causes, top.Cause.Kind)
		r.RightCause = &right
	}
}
