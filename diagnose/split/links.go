package split

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/links"
	"github.com/tenhop/tenhop/diagnose/result"
)

// linkGaps subtracts from the waits of callers the duration of their callees.
//
// If a callee has several callers, its duration in the baseline is divided in
// proportion to their waits, and the growth of its duration in proportion to the
// growth of their waits. So a link that slowed does not take duration from the
// callee's other callers. The proportion is taken over a whole window because caller
// and callee are scraped at different times, so one step may hold a wait without the
// work behind it.
func (b *builder) linkGaps(served map[string][]float64, c evidence.Change) {
	for _, callee := range slices.Sorted(maps.Keys(served)) {
		var callers []*contribution
		for _, k := range slices.SortedFunc(maps.Keys(b.found), compareKeys) {
			if k.kind == result.KindLink && k.hop == callee && k.target != "caller" {
				callers = append(callers, b.found[k])
			}
		}
		took := served[callee]
		before, now := divide(c, callers, took)
		for i, s := range callers {
			wait := s.series
			s.series = evidence.Plus(wait, nil)
			for _, w := range []struct {
				evidence.Window
				ratio float64
			}{{c.Baseline, before[i]}, {c.Now, now[i]}} {
				for _, step := range w.Window {
					s.series[step] -= took[step] * w.ratio
				}
			}
			// A link gap is not split by operation.
			s.byOperation = map[string][]float64{}
		}
	}
}

// divide returns the part of a callee's duration that belongs to each of its callers,
// in the baseline and now. The parts of a window in which nobody waits are 0.
func divide(c evidence.Change, callers []*contribution, took []float64) (before, now []float64) {
	before, now = make([]float64, len(callers)), make([]float64, len(callers))
	tookBefore, tookNow := c.PerRequest(took)
	waited, waits, grown := 0.0, 0.0, 0.0
	for _, s := range callers {
		was, is := c.PerRequest(s.series)
		waited, waits, grown = waited+was, waits+is, grown+math.Max(is-was, 0)
	}
	for i, s := range callers {
		was, is := c.PerRequest(s.series)
		if waited > 0 {
			before[i] = was / waited
		}
		switch growth := tookNow - tookBefore; {
		case !(waits > 0):
		case !(waited > 0) || !(tookNow > 0):
			now[i] = is / waits
		case growth > 0 && grown > 0:
			now[i] = (before[i]*tookBefore + growth*math.Max(is-was, 0)/grown) / tookNow
		default:
			now[i] = before[i]
		}
	}
	return before, now
}

// linkGrowth returns the growth of the gap of each link, in milliseconds per call of
// the callee by its caller, over the requests of all entries. Where calls cannot be
// told apart by entry it is the growth per request of the entry. all holds the
// entry's contributions.
func linkGrowth(m evidence.Metrics, c evidence.Change, all []contribution) map[links.Link]float64 {
	out := map[links.Link]float64{}
	for _, s := range all {
		if s.kind == result.KindLink && s.target != "caller" {
			before, now := c.PerRequest(s.series)
			out[links.Link{Caller: s.target, Callee: s.hop}] = 1000 * (now - before)
		}
	}
	entries := map[string]bool{}
	for _, h := range m.Hops {
		entries[h.Entry] = true
	}
	type sum struct{ before, now, callsBefore, callsNow float64 }
	sums := map[links.Link]sum{}
	for _, entry := range slices.Sorted(maps.Keys(entries)) {
		g := gapsOf(m, c, entry)
		for _, k := range slices.SortedFunc(maps.Keys(g.found), compareKeys) {
			l := links.Link{Caller: k.target, Callee: k.hop}
			x, gap := sums[l], g.found[k].series
			before, now := g.divide(k)
			x.before, x.now = x.before+c.Baseline.Sum(gap), x.now+c.Now.Sum(gap)
			x.callsBefore += before * c.Baseline.Sum(g.count[k.hop])
			x.callsNow += now * c.Now.Sum(g.count[k.hop])
			sums[l] = x
		}
	}
	for l, x := range sums {
		if x.callsBefore > 0 && x.callsNow > 0 {
			out[l] = 1000 * (x.now/x.callsNow - x.before/x.callsBefore)
		}
	}
	return out
}

// gaps holds the link gaps of an entry, and the messages that its hops handled.
type gaps struct {
	builder
	count map[string][]float64
	parts map[key][2]float64
}

// divide returns the part of a callee's messages that came over a link, in the
// baseline and now.
func (g gaps) divide(k key) (before, now float64) { return g.parts[k][0], g.parts[k][1] }

// gapsOf returns the link gaps of the requests of an entry.
func gapsOf(m evidence.Metrics, c evidence.Change, entry string) gaps {
	g := gaps{builder{found: map[key]*contribution{}}, map[string][]float64{}, map[key][2]float64{}}
	served := map[string][]float64{}
	var requests []float64
	for _, h := range m.Hops {
		if h.Entry != entry || h.Flow == "async" {
			continue
		}
		served[h.Service] = evidence.Plus(served[h.Service], h.Duration)
		g.count[h.Service] = evidence.Plus(g.count[h.Service], h.Count)
		if h.Operation == entry {
			requests = evidence.Plus(requests, h.Count)
		}
	}
	for _, w := range m.Waits {
		if w.Entry == entry && w.Flow != "async" && isCall(w.Kind) && served[w.Dependency] != nil {
			g.add(key{hop: w.Dependency, kind: result.KindLink, target: w.Service}, w.Operation, w.Sum)
		}
	}
	d := evidence.Change{Entry: evidence.EntrySeries{Count: requests}, Now: c.Now, Baseline: c.Baseline}
	if !(d.Baseline.Sum(requests) > 0) || !(d.Now.Sum(requests) > 0) {
		return gaps{builder: builder{found: map[key]*contribution{}}}
	}
	total := map[string][2]float64{}
	for k, s := range g.found {
		t := total[k.hop]
		total[k.hop] = [2]float64{t[0] + c.Baseline.Sum(s.series), t[1] + c.Now.Sum(s.series)}
	}
	for k, s := range g.found {
		// Now, too, by the waits of the baseline: a slow link has no more calls.
		part := c.Baseline.Sum(s.series) / cmp.Or(total[k.hop][0], 1)
		g.parts[k] = [2]float64{part, part}
	}
	g.linkGaps(served, d)
	return g
}
