// Package explain adds details from individual traces to a result: exemplars,
// attributes that slow or failed requests have in common, the origin of failures, and
// new versions.
package explain

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
	"github.com/tenhop/tenhop/trace"
)

// Latency adds exemplars and attributes to each finding of added time. It also sets the
// operation of a hop that reports no self time. slow and normal are traces of the
// entry.
func Latency(res *result.Result, slow, normal []trace.Trace) {
	for i := range res.Findings {
		f := &res.Findings[i]
		if f.Kind == result.KindErrors {
			continue
		}
		f.Exemplars = exemplars(f, slow)
		if f.Operation == "" && f.Kind == result.KindSelf {
			// If no slow trace has the hop, the operation comes from ordinary ones.
			f.Operation = cmp.Or(busiest(f.Hop, slow), busiest(f.Hop, normal))
		}
		f.Attributes = attributes(f, slow, normal)
	}
}

// exemplars returns the IDs of the three traces in which the self time of the hop is
// highest.
func exemplars(f *result.Finding, slow []trace.Trace) []string {
	type scored struct {
		id   string
		time time.Duration
	}
	var all []scored
	var tree trace.Tree
	for _, t := range slow {
		tree.Load(&t)
		var d time.Duration
		for _, i := range tree.Order() {
			if t.Spans[i].Service == f.Hop {
				d += tree.Self(i)
			}
		}
		if d > 0 {
			all = append(all, scored{t.ID, d})
		}
	}
	slices.SortFunc(all, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.time, a.time), strings.Compare(a.id, b.id))
	})
	out := []string{}
	for _, s := range all[:min(len(all), 3)] {
		out = append(out, s.id)
	}
	return out
}

// busiest returns the operation of a service with the highest total self time, or "".
func busiest(service string, traces []trace.Trace) string {
	total := map[string]time.Duration{}
	var tree trace.Tree
	for _, t := range traces {
		tree.Load(&t)
		for _, i := range tree.Order() {
			if s := &t.Spans[i]; s.Service == service && !s.Kind.Calls() {
				total[s.Operation] += tree.Self(i)
			}
		}
	}
	best := ""
	for op, d := range total {
		if best == "" || d > total[best] || (d == total[best] && op < best) {
			best = op
		}
	}
	return best
}

// attributes returns up to five attribute values that the finding's hop has more often
// in slow traces than in normal ones. The test is Fisher's exact test, one-sided, with
// Bonferroni's correction for the number of values. The result is empty if the hop is
// in fewer than five traces of either kind.
func attributes(f *result.Finding, slow, normal []trace.Trace) []result.Attribute {
	a, na := valuesAt(f.Hop, slow)
	b, nb := valuesAt(f.Hop, normal)
	out := []result.Attribute{}
	if na < 5 || nb < 5 {
		return out
	}
	distinct := map[string]int{}
	for kv := range a {
		distinct[kv[0]]++
	}
	tried := 0
	for kv := range a {
		if distinct[kv[0]] <= MaxValues {
			tried++
		}
	}
	for kv, x := range a {
		if distinct[kv[0]] > MaxValues {
			continue
		}
		y := b[kv]
		if p := stats.Fisher(x, na, y, nb); p*float64(tried) > .01 {
			continue
		}
		// Half a request is added to each count to keep the ratio finite.
		lift := ((float64(x) + .5) / (float64(na) + 1)) / ((float64(y) + .5) / (float64(nb) + 1))
		if lift >= 1.5 {
			out = append(out, result.Attribute{Key: kv[0], Value: kv[1], Lift: stats.Round(lift)})
		}
	}
	slices.SortFunc(out, func(a, b result.Attribute) int {
		return cmp.Or(cmp.Compare(b.Lift, a.Lift), strings.Compare(a.Key, b.Key), strings.Compare(a.Value, b.Value))
	})
	return out[:min(len(out), 5)]
}

// valuesAt counts the traces in which spans of the hop have an attribute value. It also
// returns the number of traces with spans of the hop.
func valuesAt(hop string, traces []trace.Trace) (map[[2]string]int, int) {
	counts, n := map[[2]string]int{}, 0
	for _, t := range traces {
		seen := map[[2]string]bool{}
		here := false
		for _, s := range t.Spans {
			if s.Service != hop {
				continue
			}
			here = true
			for k, v := range s.Attributes {
				if Describes(k) && len(v) <= 100 {
					seen[[2]string{k, v}] = true
				}
			}
		}
		if here {
			n++
		}
		for kv := range seen {
			counts[kv]++
		}
	}
	return counts, n
}
