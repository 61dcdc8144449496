package compare

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/diagnose/stats"
)

// Node holds the metrics of a service or resource, one value per step. Level is the
// mean latency in seconds or the ratio of failed requests. Requests is their number.
// NaN stands for a missing value.
type Node struct{ Level, Requests []float64 }

// CallGraph describes the calls of a system without traces.
type CallGraph struct {
	Target     string      // node that raised the alarm
	Calls      [][2]string // pairs of caller and callee
	Resolution float64     // lower bound of a level's noise
}

const (
	minNodeZ   = 2 // minimum z-score of a change
	alarmSteps = 2 // number of steps from the alarm on that are compared
)

// Nodes ranks the target and the nodes that it calls, directly or indirectly. base
// holds the series of an ordinary window and around those of the window that contains
// the alarm. alarm is the index in around of the first step that shows it.
//
// The change of a node is its mean level in the two steps from the alarm on, minus
// the median of the steps before the alarm and of the median of base. Its z-score is
// the change divided by the noise of base. The noise is 1.4826 times the median
// absolute difference of values two steps apart, at least the resolution. A change
// with a z-score below 2 counts as 0.
//
// The score of a suspect is its change times its requests, minus the same of the
// nodes it calls, divided by the requests of the target. P is not set: there is no test
// of significance.
func Nodes(g CallGraph, base, around map[string]Node, alarm int) []Suspect {
	callees := map[string][]string{}
	for _, c := range g.Calls {
		callees[c[0]] = append(callees[c[0]], c[1])
	}
	reached := reach(g.Target, callees)
	added := map[string]float64{}
	for _, name := range reached {
		added[name] = addedBy(base[name], around[name], alarm, g.Resolution)
	}
	requests := math.Max(sum(around[g.Target].Requests, alarm), 1)
	var out []Suspect
	for i, name := range reached {
		own := added[name]
		for _, c := range callees[name] {
			back := slices.Contains(reached[:i+1], c) && slices.Contains(reach(c, callees), name)
			if !back { // a call that closes a cycle is not subtracted
				own -= added[c]
			}
		}
		if own > 0 {
			out = append(out, Suspect{Service: name, Kind: Self, Score: own / requests})
		}
	}
	slices.SortFunc(out, func(a, b Suspect) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(a.Service, b.Service))
	})
	return out
}

// reach returns a node and all nodes that it calls, directly or indirectly.
func reach(name string, callees map[string][]string) []string {
	out := []string{name}
	for i := 0; i < len(out); i++ {
		for _, c := range callees[out[i]] {
			if !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	}
	return out
}

// addedBy returns a node's change times its requests since the alarm. It is 0 if the
// change is within the noise.
func addedBy(base, around Node, alarm int, resolution float64) float64 {
	total, n := 0.0, 0.0
	for i := alarm; i < min(alarm+alarmSteps, len(around.Level)); i++ {
		if v, r := around.Level[i], at(around.Requests, i); !math.IsNaN(v) && r > 0 {
			total += v * r
			n += r
		}
	}
	var before []float64
	for i := range min(alarm, len(around.Level)) {
		if v := around.Level[i]; !math.IsNaN(v) {
			before = append(before, v)
		}
	}
	quiet := slices.DeleteFunc(slices.Clone(base.Level), math.IsNaN)
	if len(quiet) > 0 {
		before = append(before, stats.Median(quiet))
	}
	if n == 0 || len(before) == 0 {
		return 0
	}
	var differences []float64
	for i := 2; i < len(base.Level); i++ {
		if d := math.Abs(base.Level[i] - base.Level[i-2]); !math.IsNaN(d) {
			differences = append(differences, d)
		}
	}
	noise := resolution
	if len(differences) > 0 {
		noise = math.Max(noise, 1.4826*stats.Median(differences))
	}
	change := total/n - stats.Median(before)
	if change < minNodeZ*noise {
		return 0
	}
	return change * n
}

// sum returns the sum of v over the steps that are compared.
func sum(v []float64, from int) float64 {
	total := 0.0
	for i := from; i < min(from+alarmSteps, len(v)); i++ {
		total += at(v, i)
	}
	return total
}

// at returns v[i], or 0 if it is missing.
func at(v []float64, i int) float64 {
	if i >= len(v) || math.IsNaN(v[i]) {
		return 0
	}
	return v[i]
}
