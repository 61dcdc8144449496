package split

import (
	"cmp"
	"maps"
	"slices"

	"github.com/tenhop/tenhop/diagnose/evidence"
)

// adopt subtracts the time of services without a known caller from the waits that
// include it, those for a callee that reports nothing itself. So a slow service behind
// such a callee is not counted twice.
//
// Which wait includes which service is not known. In order of their growth, each service
// is matched with the wait that has grown most beyond the services already matched with
// it, because only growth is divided. A service that has grown more than twice as much
// as the wait is elsewhere.
func adopt(waits []*contribution, orphans map[string][]float64, c evidence.Change) {
	grew := func(v []float64) float64 { return added(c, v) }
	names := slices.SortedFunc(maps.Keys(orphans), func(a, b string) int {
		return cmp.Or(cmp.Compare(grew(orphans[b]), grew(orphans[a])), cmp.Compare(a, b))
	})
	for _, name := range names {
		grown := grew(orphans[name])
		if len(waits) == 0 || grown <= 0 {
			return
		}
		w := slices.MaxFunc(waits, func(a, b *contribution) int { return cmp.Compare(grew(a.series), grew(b.series)) })
		if 2*grew(w.series) < grown {
			continue
		}
		w.series = evidence.Plus(w.series, minus(orphans[name]))
		w.byOperation = map[string][]float64{}
	}
}

// added returns the growth of a series per request of the entry.
func added(c evidence.Change, v []float64) float64 {
	before, now := c.PerRequest(v)
	return now - before
}
