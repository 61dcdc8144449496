// Package split divides the added time of an entry between hops, dependencies, links
// and queues, and locates the hops at which its failures begin. It uses metrics only.
//
// The total duration of an entry's requests is the sum of the self times of the hops,
// their waits for dependencies that are not hops, the link gaps and, in an
// asynchronous flow, the queue waits. Each of these contributions is divided by the
// number of requests. Its growth over the growth of the entry's mean is its share.
// If hops work in parallel, the shares may add up to more than 1.
package split

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/links"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// contribution is the time that one hop, dependency, link or queue contributes to an
// entry.
type contribution struct {
	key
	series      []float64 // seconds per step
	byOperation map[string][]float64
}

// Latency returns a finding for each contribution whose share of the added time is at
// least minShare, in descending order. The links of one end count together. A queue, or
// a link to a saturated service, follows the work that slows the service. There are no
// findings unless the entry's mean grew, and none of a contribution that fell.
func Latency(m evidence.Metrics, c evidence.Change, minShare float64) []result.Finding {
	added := c.Added()
	if !(added > 0) {
		return nil
	}
	var out []result.Finding
	all := contributions(m, c)
	for _, s := range all {
		base, now := c.PerRequest(s.series)
		f := result.Finding{Hop: s.hop, Kind: s.kind, Target: s.target, Attributes: []result.Attribute{}, Exemplars: []string{}}
		f.BaselineMS, f.NowMS, f.AddedMS = stats.Round(base*1000), stats.Round(now*1000), stats.Round((now-base)*1000)
		f.Share = stats.Round((now - base) / added)
		if f.AddedMS <= 0 || f.Share < minShare {
			continue
		}
		f.Interval = interval(c, s.series)
		f.CounterfactualMS = stats.Round((c.NowMean() - (now - base)) * 1000)
		f.Operation, f.Operations = s.operations(c)
		out = append(out, f)
	}
	outside(m, c, out)
	return causesFirst(links.Assign(out, linkGrowth(m, c, all)), all)
}

// operations returns the operation that grew most. If there are several, it also
// returns the growth of each.
func (s contribution) operations(c evidence.Change) (string, []result.Part) {
	var parts []result.Part
	for op, v := range s.byOperation {
		base, now := c.PerRequest(v)
		parts = append(parts, result.Part{Operation: op, AddedMS: stats.Round((now - base) * 1000)})
	}
	slices.SortFunc(parts, func(a, b result.Part) int {
		return cmp.Or(cmp.Compare(b.AddedMS, a.AddedMS), cmp.Compare(a.Operation, b.Operation))
	})
	switch len(parts) {
	case 0:
		return "", nil
	case 1:
		return parts[0].Operation, nil
	}
	return parts[0].Operation, parts
}

// interval returns the 90 % bootstrap interval of a contribution's share, resampling
// steps.
func interval(c evidence.Change, series []float64) [2]float64 {
	resample := func(rng *rand.Rand, w evidence.Window) evidence.Window {
		out := make(evidence.Window, len(w))
		for i := range out {
			out[i] = w[rng.IntN(len(w))]
		}
		return out
	}
	return stats.Bootstrap(func(rng *rand.Rand) (float64, bool) {
		d := evidence.Change{Entry: c.Entry, Now: resample(rng, c.Now), Baseline: resample(rng, c.Baseline)}
		if d.Now.Sum(c.Entry.Count) == 0 || d.Baseline.Sum(c.Entry.Count) == 0 {
			return 0, false
		}
		base, now := d.PerRequest(series)
		total := d.Added()
		return (now - base) / total, total > 0
	})
}

// contributions returns the contributions to the duration of an entry's requests:
// self times, waits for dependencies that are not hops, link gaps and queue waits.
func contributions(m evidence.Metrics, c evidence.Change) []contribution {
	if len(m.Nodes) > 0 {
		return graphContributions(m, c)
	}
	e := c.Entry.Entry
	flow := cmp.Or(e.Flow, "request")
	b := builder{found: map[key]*contribution{}}
	served := map[string][]float64{} // duration of the hops by service
	for _, h := range m.Hops {
		if h.Entry != e.Operation || (flow == "request" && h.Flow != flow) {
			continue
		}
		b.add(key{hop: h.Service, kind: result.KindSelf}, h.Operation, h.Self)
		if h.Flow == flow || flow == "async" {
			served[h.Service] = evidence.Plus(served[h.Service], h.Duration)
		}
	}
	var unmeasured []*contribution // waits for callees that report no time of their own
	for _, w := range m.Waits {
		if w.Entry != e.Operation || (flow == "request" && w.Flow != flow) {
			continue
		}
		switch {
		case w.Kind == "caller":
			b.add(key{hop: w.Service, kind: result.KindLink, target: "caller"}, w.Operation, w.Sum)
		case !isCall(w.Kind):
			b.add(key{hop: w.Service, kind: result.KindDependency, target: w.Dependency}, w.Operation, w.Sum)
		case served[w.Dependency] != nil:
			// The callee is a hop. linkGaps subtracts its duration from the wait.
			b.add(key{hop: w.Dependency, kind: result.KindLink, target: w.Service}, w.Operation, w.Sum)
		case m.Foreign[w.Dependency]:
			unmeasured = b.unmeasured(unmeasured, key{hop: w.Dependency, kind: result.KindSelf}, "", w.Sum)
		default:
			unmeasured = b.unmeasured(unmeasured, key{hop: w.Service, kind: result.KindDependency, target: w.Dependency}, w.Operation, w.Sum)
		}
	}
	b.linkGaps(served, c)
	if flow == "async" {
		for _, q := range m.Queues {
			if q.Entry == e.Operation {
				b.add(key{hop: q.Service, kind: result.KindQueue, target: q.Operation}, q.Operation, q.Sum)
			}
		}
	}
	if flow == "request" {
		adopt(unmeasured, b.orphans(served, e.Service), c)
	}
	keys := slices.SortedFunc(maps.Keys(b.found), compareKeys)
	out := make([]contribution, 0, len(keys))
	for _, k := range keys {
		out = append(out, *b.found[k])
	}
	return out
}

// isCall reports whether a kind of dependency may be a hop.
func isCall(kind string) bool { return kind == "http" || kind == "grpc" }

type key struct{ hop, kind, target string }

func compareKeys(a, b key) int {
	return cmp.Or(cmp.Compare(a.hop, b.hop), cmp.Compare(a.kind, b.kind), cmp.Compare(a.target, b.target))
}

// builder collects contributions.
type builder struct{ found map[key]*contribution }

func (b *builder) add(k key, operation string, v []float64) {
	s := b.found[k]
	if s == nil {
		s = &contribution{key: k, byOperation: map[string][]float64{}}
		b.found[k] = s
	}
	s.series = evidence.Plus(s.series, v)
	if operation != "" {
		s.byOperation[operation] = evidence.Plus(s.byOperation[operation], v)
	}
}

// unmeasured adds a wait for a callee that reports no time of its own, and appends its
// contribution to list once.
func (b *builder) unmeasured(list []*contribution, k key, operation string, v []float64) []*contribution {
	b.add(k, operation, v)
	if slices.Contains(list, b.found[k]) {
		return list
	}
	return append(list, b.found[k])
}

// orphans returns the durations of the hops, besides the edge, that no other hop waits
// for.
func (b *builder) orphans(served map[string][]float64, edge string) map[string][]float64 {
	out := maps.Clone(served)
	delete(out, edge)
	for k := range b.found {
		if k.kind == result.KindLink && k.target != "caller" {
			delete(out, k.hop)
		}
	}
	return out
}
