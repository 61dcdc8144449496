package diagnose_test

import (
	"slices"
	"testing"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/result"
)

// Each pair of hops of random topologies takes 200 ms longer. Metrics alone must name both;
// with one of them slow, they must name no other.
func TestPairsOfFaults(t *testing.T) {
	const topologies, maxPairs = 8, 6
	pairs, both := 0, 0
	find := func(f *topology, x delays) []result.Finding {
		all, _ := f.traces(x)
		r := diagnose.Diagnose(diagnose.Evidence{Metrics: metricsOf(all)}, diagnose.Options{}).Result()
		if r.Verdict != result.Spike {
			t.Errorf("%s: %s", r.Verdict, r.Why)
		}
		return r.Findings
	}
	for seed := range uint64(topologies) {
		f := newTopology(100 + seed)
		on := []int{0}
		for _, l := range f.reached(0) {
			if !slices.Contains(on, l[1]) {
				on = append(on, l[1])
			}
		}
		tried := 0
		f.rng.Shuffle(len(on), func(i, j int) { on[i], on[j] = on[j], on[i] })
		for i, a := range on {
			if i == 0 {
				for _, x := range find(f, delays{self: map[int]float64{a: 200}}) {
					if x.Share > .1 && (x.Hop != f.names[a] || x.Kind != result.KindSelf) {
						t.Errorf("only %s is slow: %s %s %s %+.0f ms %.0f %%", f.names[a], x.Hop, x.Kind, x.Target, x.AddedMS, 100*x.Share)
					}
				}
			}
			for _, b := range on[:i] {
				if tried++; tried > maxPairs {
					break
				}
				pairs++
				named := map[string]bool{}
				for _, x := range find(f, delays{self: map[int]float64{a: 200, b: 200}}) {
					if named[x.Hop] = named[x.Hop] || x.Kind == result.KindSelf; x.Share > .1 && x.Hop != f.names[a] && x.Hop != f.names[b] {
						t.Errorf("%s and %s are slow: %s %s %s %.0f %%", f.names[a], f.names[b], x.Hop, x.Kind, x.Target, 100*x.Share)
					}
				}
				if named[f.names[a]] && named[f.names[b]] {
					both++
				}
			}
		}
	}
	t.Logf("both named in %d of %d pairs", both, pairs)
	if both < pairs*95/100 {
		t.Errorf("both named in %d of %d pairs", both, pairs)
	}
}
