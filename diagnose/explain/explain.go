// Package explain adds to a result what only traces tell: exemplars, what slow or
// failed requests have in common, where failures begin, and new versions.
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

// Latency adds to each finding the slow requests that show it, the operation of a
// hop that reports no self time, and the kind of request that is slow. slow and
// normal are traces of the entry.
func Latency(res *result.Result, slow, normal []trace.Trace) {
	for i := range res.Findings {
		f := &res.Findings[i]
		if f.Kind == result.KindErrors {
			continue
		}
		f.Exemplars = exemplars(f, slow)
		if f.Operation == "" && f.Kind == result.KindSelf {
			// Few are sampled: what ordinary requests call there is the next best.
			f.Operation = cmp.Or(busiest(f.Hop, slow), busiest(f.Hop, normal))
		}
		f.Attributes = attributes(f, slow, normal)
	}
}

// exemplars returns the slow traces in which the hop takes the most time itself.
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

// busiest returns the operation of a service that takes the most time itself.
func busiest(service string, slow []trace.Trace) string {
	total := map[string]time.Duration{}
	var tree trace.Tree
	for _, t := range slow {
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

// attributes returns the values that slow requests have more often at the suspect
// than others do, by Fisher's exact test, one-sided, with Bonferroni's
// correction for the number of values tried.
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
		// Half a request added to each side keeps the ratio finite.
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

// valuesAt counts the traces in which the hop's spans have an attribute value.
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
