package split

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// ownFailures is the fraction of a hop's added failures that its own calls must leave
// unexplained for the hop to be named.
const ownFailures = .3

// failures holds the requests and calls of the hops on an entry's path.
type failures struct {
	m       evidence.Metrics
	c       evidence.Change
	served  map[string]float64                   // added failures per request of the entry, by service
	byOp    map[string][]*evidence.CallSeries    // requests served, by service
	clients map[[2]string][]*evidence.CallSeries // calls, by caller and callee
}

// added returns the growth of a series per request of the entry.
func (f failures) added(v []float64) float64 {
	base, now := f.c.PerRequest(v)
	return now - base
}

// Failures returns a finding for each hop at which failures of an entry begin, in
// descending order of their share. Findings below minShare are left out.
//
// A hop whose calls fail as often as the hop itself passes failures on and is not
// named. If calls fail but their callee served no failures, they failed on the link
// or the callee did not answer. The finding then names both ends, first the one whose
// other links fail as well.
func Failures(m evidence.Metrics, c evidence.Change, minShare float64) []result.Finding {
	f := failures{m: m, c: c, served: map[string]float64{}, byOp: map[string][]*evidence.CallSeries{},
		clients: map[[2]string][]*evidence.CallSeries{}}
	path := onPath(m, c.Entry.Entry)
	for i := range m.Calls {
		s := &m.Calls[i]
		if !path[s.Service] {
			continue
		}
		if s.Dependency != "" {
			k := [2]string{s.Service, s.Dependency}
			f.clients[k] = append(f.clients[k], s)
			continue
		}
		f.byOp[s.Service] = append(f.byOp[s.Service], s)
		f.served[s.Service] += math.Max(f.added(s.Failed), 0)
	}
	total := f.added(c.Entry.Sum)
	passed := map[string]float64{} // added failures of calls, by caller
	var out []result.Finding
	lost := lostCalls{}
	for _, k := range slices.SortedFunc(maps.Keys(f.clients), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		calls := f.clients[k]
		failed := 0.0
		for _, c := range calls {
			failed += math.Max(f.added(c.Failed), 0)
		}
		passed[k[0]] += failed
		known := len(f.byOp[k[1]]) > 0
		served := f.served[k[1]]
		if !known && !m.Foreign[k[1]] {
			served = f.waitedFor(k[0])
		}
		if unserved := failed - served; unserved > ownFailures*failed && failed > .05*total {
			x := result.Finding{Hop: k[0], Target: k[1]}
			if known || m.Foreign[k[1]] {
				x.Hop, x.Target = k[1], k[0]
			}
			out = append(out, f.finding(x, calls, total))
		}
		lost.add(c, k, calls, failed, served)
	}
	lost.assign(out)
	for _, service := range slices.Sorted(maps.Keys(f.byOp)) {
		if passed[service] == 0 {
			passed[service] = f.waitedFor(service)
		}
		if own := f.served[service] - passed[service]; own > ownFailures*f.served[service] && own > .05*total {
			out = append(out, f.finding(result.Finding{Hop: service}, f.byOp[service], total))
		}
	}
	out = slices.DeleteFunc(out, func(x result.Finding) bool { return x.Errors == nil || x.Share < minShare })
	slices.SortStableFunc(out, func(a, b result.Finding) int { return cmp.Compare(b.Share, a.Share) })
	return out
}

// waitedFor returns the failures that the callees of a service served, of which its
// counts of calls do not know the names. The waits for them tell which they are: services
// that only send spans count no calls, and others count them by address.
func (f failures) waitedFor(service string) float64 {
	names := map[string]bool{}
	for _, w := range f.m.Waits {
		if w.Service == service && w.Dependency != service && isCall(w.Kind) && f.clients[[2]string{service, w.Dependency}] == nil {
			names[w.Dependency] = true
		}
	}
	sum := 0.0
	for _, name := range slices.Sorted(maps.Keys(names)) {
		sum += f.served[name]
	}
	return sum
}

// finding completes x with the operation whose failures grew most. It returns x
// unchanged if the growth is not significant.
func (f failures) finding(x result.Finding, calls []*evidence.CallSeries, total float64) result.Finding {
	worst := slices.MaxFunc(calls, func(a, b *evidence.CallSeries) int { return cmp.Compare(f.added(a.Failed), f.added(b.Failed)) })
	base, now := f.c.Baseline, f.c.Now
	nb, nn := base.Sum(worst.Count), now.Sum(worst.Count)
	// An operation that was first called after the onset has no baseline.
	if nn == 0 || nb >= stats.MinRequests && !stats.MoreFail(base.Sum(worst.Failed), nb, now.Sum(worst.Failed), nn) {
		return x
	}
	x.Kind, x.Operation = result.KindErrors, worst.Operation
	x.Errors = &result.Failing{Now: stats.Round(now.Sum(worst.Failed) / nn), Type: f.kind(worst)}
	if nb > 0 {
		x.Errors.Baseline = stats.Round(base.Sum(worst.Failed) / nb)
	}
	x.Share = stats.Round(math.Min(f.added(worst.Failed)/total, 1))
	x.Interval = interval(f.c, worst.Failed)
	x.Interval[0], x.Interval[1] = math.Min(x.Interval[0], 1), math.Min(x.Interval[1], 1)
	x.Attributes, x.Exemplars = []result.Attribute{}, []string{}
	return x
}

// kind returns the error.type whose failures grew most.
func (f failures) kind(c *evidence.CallSeries) string {
	best := ""
	for _, kind := range slices.Sorted(maps.Keys(c.Types)) {
		if best == "" || f.added(c.Types[kind]) > f.added(c.Types[best]) {
			best = kind
		}
	}
	return best
}

// onPath returns the services that handle requests of an entry. Services whose
// self-time metrics carry the entry are taken from those. If there are none, the
// services are those reached by calls from the entry's service.
func onPath(m evidence.Metrics, e result.Entry) map[string]bool {
	path := map[string]bool{e.Service: true}
	labelled := false // whether a hop reports its entry
	for _, h := range m.Hops {
		if h.Entry == e.Operation && h.Flow == "request" {
			path[h.Service], labelled = true, true
		}
	}
	for grown := !labelled; grown; {
		grown = false
		for _, c := range m.Calls {
			if c.Dependency != "" && path[c.Service] && !path[c.Dependency] {
				path[c.Dependency], grown = true, true
			}
		}
	}
	return path
}
