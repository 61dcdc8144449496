package split

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// minOutside is the minimum growth of a service's calls outside the context of a
// request, as a fraction of the growth of its self time, that explains the latter.
const minOutside = .6

// outside replaces a finding of self time by the dependency whose calls grew as much.
// Calls made without the context of a request belong to no hop, so the middleware
// counts the time in which a hop waits for them as its self time. They are the calls
// of a service that are in no wait of its hops. Calls are not told apart by entry, so
// they are compared with the self time of the service in all entries.
func outside(m evidence.Metrics, c evidence.Change, found []result.Finding) {
	for i := range found {
		f := &found[i]
		if f.Kind != result.KindSelf {
			continue
		}
		var self []float64
		for _, h := range m.Hops {
			if h.Service == f.Hop {
				self = evidence.Plus(self, h.Self)
			}
		}
		grew := growth(c, self)
		if !(grew > 0) {
			continue
		}
		calls, total := outsideCalls(m, c, f.Hop)
		if total < minOutside*grew {
			continue
		}
		var words []string
		for _, d := range calls {
			words = append(words, fmt.Sprintf("%s by %.0f ms", d.to, 1000*d.added))
		}
		f.Kind, f.Target = result.KindDependency, calls[0].to
		f.Evidence = "calls made without the request's context: those to " + strings.Join(words, ", to ") +
			" grew; the middleware cannot subtract them from the self time"
	}
}

// grownCalls is the growth, in seconds per request of the entry, of the calls to a
// dependency.
type grownCalls struct {
	to    string
	added float64
}

// outsideCalls returns the growth of a service's calls that are in no wait of its hops,
// the largest first, and its total. Dependencies below a tenth of the total are left
// out.
func outsideCalls(m evidence.Metrics, c evidence.Change, service string) (out []grownCalls, total float64) {
	made := map[string][]float64{}
	for _, x := range m.Calls {
		if x.Service == service && x.Dependency != "" && x.Sum != nil {
			made[x.Dependency] = evidence.Plus(made[x.Dependency], x.Sum)
		}
	}
	for _, w := range m.Waits {
		if v := made[w.Dependency]; w.Service == service && v != nil {
			made[w.Dependency] = evidence.Plus(v, negative(w.Sum))
		}
	}
	for _, to := range slices.Sorted(maps.Keys(made)) {
		grown := math.Max(growth(c, made[to]), 0)
		out, total = append(out, grownCalls{to, grown}), total+grown
	}
	slices.SortStableFunc(out, func(a, b grownCalls) int { return cmp.Compare(b.added, a.added) })
	return slices.DeleteFunc(out, func(d grownCalls) bool { return d.added <= .1*total }), total
}

func negative(v []float64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = -x
	}
	return out
}

// growth returns the growth of a series per request of the entry.
func growth(c evidence.Change, v []float64) float64 {
	before, now := c.PerRequest(v)
	return now - before
}
