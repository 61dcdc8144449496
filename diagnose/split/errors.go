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

// ownFailures is the part of a hop's added failures from which on it fails by
// itself rather than passes on what failed behind it.
const ownFailures = .3

// failures holds what the hops on an entry's path add to its failures, per request
// of the entry.
type failures struct {
	m       evidence.Metrics
	c       evidence.Change
	served  map[string]float64 // added, by service
	byOp    map[string][]*evidence.CallSeries
	clients map[[2]string][]*evidence.CallSeries // by caller and callee
}

// added returns the growth of a series per request of the entry.
func (f failures) added(v []float64) float64 {
	base, now := f.c.PerRequest(v)
	return now - base
}

// Failures names the hops at which the failures of an entry begin. A hop
// whose calls fail as often as it does itself passes on what failed behind it;
// a call that fails while its callee knows nothing of it failed between them, or
// at a callee that did not answer.
func Failures(m evidence.Metrics, c evidence.Change, minShare float64) []result.Finding {
	f := failures{m: m, c: c, served: map[string]float64{}, byOp: map[string][]*evidence.CallSeries{}, clients: map[[2]string][]*evidence.CallSeries{}}
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
	passed := map[string]float64{} // by caller, what failed behind it
	var out []result.Finding
	for _, k := range slices.SortedFunc(maps.Keys(f.clients), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		calls := f.clients[k]
		failed := 0.0
		for _, c := range calls {
			failed += math.Max(f.added(c.Failed), 0)
		}
		passed[k[0]] += failed
		known := len(f.byOp[k[1]]) > 0
		if unseen := failed - f.served[k[1]]; unseen > ownFailures*failed && failed > .05*total {
			x := result.Finding{Hop: k[0], Target: k[1]}
			if known || m.Foreign[k[1]] {
				x.Hop, x.Target = k[1], k[0]
			}
			out = append(out, f.finding(x, calls, total))
		}
	}
	for _, service := range slices.Sorted(maps.Keys(f.byOp)) {
		if own := f.served[service] - passed[service]; own > ownFailures*f.served[service] && own > .05*total {
			out = append(out, f.finding(result.Finding{Hop: service}, f.byOp[service], total))
		}
	}
	out = slices.DeleteFunc(out, func(x result.Finding) bool { return x.Errors == nil || x.Share < minShare })
	slices.SortStableFunc(out, func(a, b result.Finding) int { return cmp.Compare(b.Share, a.Share) })
	return out
}

// finding describes the operation among calls whose failures grew most, if it
// did for sure.
func (f failures) finding(x result.Finding, calls []*evidence.CallSeries, total float64) result.Finding {
	worst := slices.MaxFunc(calls, func(a, b *evidence.CallSeries) int { return cmp.Compare(f.added(a.Failed), f.added(b.Failed)) })
	base, now := f.c.Baseline, f.c.Now
	nb, nn := base.Sum(worst.Count), now.Sum(worst.Count)
	// An operation that is called since the failures began has no baseline.
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

// kind is the type of error that grew most.
func (f failures) kind(c *evidence.CallSeries) string {
	best := ""
	for _, kind := range slices.Sorted(maps.Keys(c.Types)) {
		if best == "" || f.added(c.Types[kind]) > f.added(c.Types[best]) {
			best = kind
		}
	}
	return best
}

// onPath returns the services that work for an entry: those that say so, and
// all that are called by them.
func onPath(m evidence.Metrics, e result.Entry) map[string]bool {
	path := map[string]bool{e.Service: true}
	told := false
	for _, h := range m.Hops {
		if h.Entry == e.Operation && h.Flow == "request" {
			path[h.Service], told = true, true
		}
	}
	for grown := !told; grown; {
		grown = false
		for _, c := range m.Calls {
			if c.Dependency != "" && path[c.Service] && !path[c.Dependency] {
				path[c.Dependency], grown = true, true
			}
		}
	}
	return path
}
