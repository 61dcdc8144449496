package diagnose

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// minUnspanned is the share of the time added to a hop's own time in traces from which a
// wait that only the metrics know explains it.
const minUnspanned = .5

// unspanned replaces the findings of a hop's own time, as traces tell it, by the wait that
// the metrics know of and that has no span, such as the wait for a free connection. The
// middleware subtracts such a wait from the self time, so metrics tell the two apart.
func unspanned(m evidence.Metrics, r *result.Result) {
	c := evidence.Change{Entry: m.Entry(r.Entry), Baseline: within(m, r.BaselineRanges()...), Now: within(m, r.Window)}
	if c.Baseline.Sum(c.Entry.Count) <= 0 || c.Now.Sum(c.Entry.Count) <= 0 {
		return
	}
	grown := func(v []float64) float64 { // milliseconds per request
		before, now := c.PerRequest(v)
		return 1000 * (now - before)
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Kind != result.KindSelf || f.Entry != "" {
			continue
		}
		self, known := 0.0, false
		for _, h := range m.Hops {
			if h.Service == f.Hop && h.Entry == r.Entry.Operation && h.Flow != "async" {
				self, known = self+grown(h.Self), true
			}
		}
		if !known {
			continue
		}
		waits, all := map[string]float64{}, 0.0
		for _, w := range m.Waits {
			called := w.Kind == "http" || w.Kind == "grpc" || w.Kind == "caller"
			if w.Service == f.Hop && w.Entry == r.Entry.Operation && w.Flow != "async" && !called {
				by := max(grown(w.Sum), 0)
				waits[w.Dependency], all = waits[w.Dependency]+by, all+by
			}
		}
		for _, other := range r.Findings { // those that have spans
			if other.Hop == f.Hop && other.Kind == result.KindDependency {
				all -= other.AddedMS
			}
		}
		if all <= 0 || all < minUnspanned*f.AddedMS || all <= self {
			continue
		}
		f.Kind = result.KindDependency
		f.Target = slices.MaxFunc(slices.Sorted(maps.Keys(waits)), func(a, b string) int { return cmp.Compare(waits[a], waits[b]) })
		f.Evidence = fmt.Sprintf("the wait for %s grew by %.0f ms in the metrics and has no span, as one for a free connection", f.Target, waits[f.Target])
	}
}

// within returns the steps of which at least half lie within one of some ranges of time.
func within(m evidence.Metrics, ranges ...result.Range) (out evidence.Window) {
	for i := range m.Steps {
		middle := m.At(i).Add(m.Step / 2)
		if slices.ContainsFunc(ranges, func(r result.Range) bool { return !middle.Before(r.From) && middle.Before(r.To) }) {
			out = append(out, i)
		}
	}
	return out
}
