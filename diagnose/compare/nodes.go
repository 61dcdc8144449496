package compare

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/diagnose/stats"
)

// Node holds the metrics of a service or resource, one value per step: the mean
// per request (seconds, or the ratio that failed) and the number of requests. NaN
// stands for no value.
type Node struct{ Level, Requests []float64 }

// CallGraph describes a system that has no traces.
type CallGraph struct {
	Target     string      // the node at which the trouble was noticed
	Calls      [][2]string // caller and callee
	Resolution float64     // the least change of a level that can mean something
}

const (
	minNodeZ  = 2 // of a node's change, to count it
	alarmRows = 2 // steps from the alarm on that are compared with those before
)

// Nodes ranks the nodes that the target calls, directly or not, and the
// target itself. base holds an ordinary time, around the steps around the
// alarm, which is the index of the first step that shows it.
//
// A node's change is its level since the alarm less the median of what it was
// before: each step of around before the alarm and the median of base. Its z is
// the change over the noise of base: 1.4826 times the median absolute
// difference between values two steps apart, at least the resolution. What a
// node added of its own is its change times its requests, minus that of the
// nodes it calls, a request of the target; nodes with z under 2 count as
// unchanged.
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
			if !back { // of a cycle, the call that closes it explains nothing
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

// reach lists a node and all it calls, directly or not.
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

// addedBy is a node's change times its requests since the alarm, or 0 where the
// change is not more than noise.
func addedBy(base, around Node, alarm int, resolution float64) float64 {
	total, n := 0.0, 0.0
	for i := alarm; i < min(alarm+alarmRows, len(around.Level)); i++ {
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
	var steps []float64
	for i := 2; i < len(base.Level); i++ {
		if d := math.Abs(base.Level[i] - base.Level[i-2]); !math.IsNaN(d) {
			steps = append(steps, d)
		}
	}
	noise := resolution
	if len(steps) > 0 {
		noise = math.Max(noise, 1.4826*stats.Median(steps))
	}
	change := total/n - stats.Median(before)
	if change < minNodeZ*noise {
		return 0
	}
	return change * n
}

func sum(v []float64, from int) float64 {
	total := 0.0
	for i := from; i < min(from+alarmRows, len(v)); i++ {
		total += at(v, i)
	}
	return total
}

func at(v []float64, i int) float64 {
	if i >= len(v) || math.IsNaN(v[i]) {
		return 0
	}
	return v[i]
}
