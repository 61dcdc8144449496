package counters

import (
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/signals"
)

// hopTable holds the hops by service, operation, entry and flow. scraped holds the
// LevelSum and LevelCount of each, which are used if the hop is an entry. derived and
// derivedLevel hold the requests of hops derived from spans.
type hopTable struct {
	hops                  map[[4]string]*evidence.HopSeries
	scraped               map[[4]string]*evidence.EntrySeries
	derived, derivedLevel map[[4]string][]float64
	levelSelf             map[[4]string][]float64
}

// hops returns the hops. Those that were derived from spans may have self times only;
// their requests are counted by these, and their durations are taken from calls.
func (t table) hops(calls []*measured) hopTable {
	h := hopTable{map[[4]string]*evidence.HopSeries{}, map[[4]string]*evidence.EntrySeries{},
		map[[4]string][]float64{}, map[[4]string][]float64{}, map[[4]string][]float64{}}
	for _, family := range []string{selfTime + "_sum", selfTime + "_count", hopTime + "_sum", hopTime + "_count"} {
		for _, f := range t.family[family] {
			k := [4]string{f.Labels["service_name"], f.Labels["operation"], f.Labels["entry"], f.Labels["flow"]}
			hop, own := h.hops[k], h.scraped[k]
			if hop == nil {
				hop = &evidence.HopSeries{Service: k[0], Operation: k[1], Entry: k[2], Flow: k[3],
					Self: make([]float64, t.steps), Duration: make([]float64, t.steps), Count: make([]float64, t.steps)}
				own = &evidence.EntrySeries{}
				h.hops[k], h.scraped[k] = hop, own
			}
			switch family {
			case selfTime + "_sum":
				t.add(hop.Self, f)
				h.levelSelf[k] = t.scraped(h.levelSelf[k], f)
			case selfTime + "_count":
				if f.Labels["source"] == fromSpans {
					h.derived[k] = evidence.Plus(h.derived[k], t.add(nil, f))
					h.derivedLevel[k] = evidence.Plus(h.derivedLevel[k], t.scraped(nil, f))
				}
			case hopTime + "_sum":
				t.add(hop.Duration, f)
				own.LevelSum = t.scraped(own.LevelSum, f)
			case hopTime + "_count":
				t.add(hop.Count, f)
				own.LevelCount = t.scraped(own.LevelCount, f)
			}
		}
	}
	h.complete(calls)
	return h
}

func (h hopTable) all() []evidence.HopSeries {
	out := make([]evidence.HopSeries, 0, len(h.hops))
	for _, k := range sortedKeys(h.hops) {
		out = append(out, *h.hops[k])
	}
	return out
}

// entries returns the entries. The hop of an entry has its operation as its entry, and
// no other hop of the same entry calls it, as waits and edges tell; the second condition excludes services that
// have an operation of the same name. Edges with the same operation form one entry,
// because the hops behind them do not distinguish them. Its service is the one with the
// most requests.
func (h hopTable) entries(waits []evidence.WaitSeries, edges [][2]string) []evidence.EntrySeries {
	type called struct{ service, entry string }
	inner := map[called]bool{}
	for k := range h.hops {
		for _, edge := range edges {
			if edge[0] == k[0] && edge[0] != edge[1] && k[2] != "" {
				inner[called{edge[1], k[2]}] = true
			}
		}
	}
	for _, w := range waits {
		if w.Service != w.Dependency {
			inner[called{w.Dependency, w.Entry}] = true
		}
	}
	index, busiest := map[string]int{}, map[string]float64{}
	var out []evidence.EntrySeries
	for _, k := range sortedKeys(h.hops) {
		hop, own := h.hops[k], h.scraped[k]
		if hop.Operation != hop.Entry || hop.Entry == "" || hop.Entry == overflow || hop.Flow != "request" ||
			inner[called{hop.Service, hop.Entry}] || own.LevelCount == nil || own.LevelSum == nil {
			continue
		}
		i, ok := index[hop.Operation]
		if !ok {
			i = len(out)
			index[hop.Operation] = i
			out = append(out, evidence.EntrySeries{Entry: result.Entry{Operation: hop.Operation}})
		}
		e := &out[i]
		if n := total(hop.Count); e.Service == "" || n > busiest[hop.Operation] {
			e.Service, e.Histograms, busiest[hop.Operation] = hop.Service, own.Histograms, n
		}
		e.Sum, e.Count = evidence.Plus(e.Sum, hop.Duration), evidence.Plus(e.Count, hop.Count)
		e.LevelSum, e.LevelCount = evidence.Plus(e.LevelSum, own.LevelSum), evidence.Plus(e.LevelCount, own.LevelCount)
	}
	return out
}

// lacksDurations reports whether a service and entry have self times but no durations.
func (t table) lacksDurations() bool {
	type place struct{ service, entry string }
	have := map[place]bool{}
	for _, s := range t.family[hopTime+"_count"] {
		have[place{s.Labels["service_name"], s.Labels["entry"]}] = true
	}
	for _, s := range t.family[selfTime+"_count"] {
		if !have[place{s.Labels["service_name"], s.Labels["entry"]}] {
			return true
		}
	}
	return false
}

// complete sets the requests and durations of hops that have self times only. The
// duration of an operation is that of its calls, in proportion to the requests of each
// entry. If it is not known, it is the self time; for the hop of an entry, it is that of
// all hops of the entry, which is an upper bound where they overlap.
func (h hopTable) complete(calls []*measured) {
	all := map[[2]string]*measured{}
	for _, m := range calls {
		if m.Side == signals.Server && m.sum != nil && m.count != nil {
			all[[2]string{m.service, m.operation}] = m
		}
	}
	for k, n := range h.derived {
		hop, own := h.hops[k], h.scraped[k]
		if total(hop.Count) > 0 {
			continue
		}
		hop.Count, own.LevelCount = n, h.derivedLevel[k]
		if m := all[[2]string{k[0], k[1]}]; m != nil && total(m.count) > 0 {
			part := min(total(n)/total(m.count), 1)
			hop.Duration, own.LevelSum, own.Histograms = times(m.sum, part), times(m.levelSum, part), m.histograms()
			continue
		}
		hop.Duration, own.LevelSum = hop.Self, h.levelSelf[k]
		for other := range h.hops {
			if k[1] == k[2] && other[2] == k[2] && other[3] == "request" && other != k {
				hop.Duration = evidence.Plus(hop.Duration, h.hops[other].Self)
				own.LevelSum = evidence.Plus(own.LevelSum, h.levelSelf[other])
			}
		}
	}
}

// times returns v multiplied by a factor.
func times(v []float64, factor float64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = factor * x
	}
	return out
}
