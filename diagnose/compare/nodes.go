package compare

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/stats"
)

// Node holds the metrics of a service or resource, one value per step. Level is the
// latency in seconds, a mean or a quantile, or the ratio of failed requests. Requests
// is their number. NaN stands for a missing value. A step with a level but without
// requests is a gap in the counter: its number of requests is that of the last step
// that has one.
type Node struct{ Level, Requests []float64 }

// CallGraph describes the calls of a system without traces.
type CallGraph struct {
	Target     string        // node that raised the alarm
	Calls      [][2]string   // pairs of caller and callee
	Resolution float64       // lower bound of a level's noise
	Step       time.Duration // time between two values; if 0, each value is a block
	Quantile   bool          // levels are quantiles, which do not add up
}

const (
	minNodeZ   = 2           // minimum z-score of a change
	blockTime  = time.Minute // minimum time of a block of steps
	afterAlarm = 2           // number of blocks from the alarm on that are compared
	minNoise   = 4           // minimum number of differences that give the noise
)

// Nodes ranks the target and the nodes that it calls, directly or indirectly. base
// holds the series of an ordinary window and around those of the window that contains
// the alarm. alarm is the index in around of the first step that shows it.
//
// Steps are first merged into blocks of at least one minute, from the alarm on in both
// directions. The change of a node is its level in the two blocks from the alarm on,
// minus the median of the blocks before the alarm and of the median of base. Its
// z-score is the change divided by the noise of base. The noise is 1.4826 times the
// median absolute difference of blocks two apart, at least the resolution. A change
// with a z-score below 2 counts as 0.
//
// If levels are means or ratios, the score of a suspect is its change times its
// requests, minus the same of the nodes it calls, divided by the requests of the
// target. Quantiles do not add up: the score is then the change minus the largest
// change among the nodes it calls. P is not set: there is no test of significance.
func Nodes(g CallGraph, base, around map[string]Node, alarm int) []Suspect {
	callees := map[string][]string{}
	for _, c := range g.Calls {
		callees[c[0]] = append(callees[c[0]], c[1])
	}
	reached := reach(g.Target, callees)
	size := 1
	if g.Step > 0 {
		size = max(int(blockTime/g.Step), 1)
	}
	requests := math.Max(requestsAfter(around[g.Target], alarm, size), 1)
	added := map[string]float64{}
	for _, name := range reached {
		change, n := changeOf(base[name], around[name], alarm, size, g.Resolution)
		switch {
		case g.Quantile:
			added[name] = change
		case n > 0:
			added[name] = change * n / requests
		default: // its requests are unknown
			added[name] = change
		}
	}
	var out []Suspect
	for i, name := range reached {
		sum, most := 0.0, 0.0
		for _, c := range callees[name] {
			back := slices.Contains(reached[:i+1], c) && slices.Contains(reach(c, callees), name)
			if !back { // a call that closes a cycle is not subtracted
				sum, most = sum+added[c], math.Max(most, added[c])
			}
		}
		own := added[name] - sum
		if g.Quantile {
			own = added[name] - most
		}
		if own > 0 {
			out = append(out, Suspect{Service: name, Kind: Self, Score: own})
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

// block is the mean level of some steps, weighted by their requests, and the number of
// these requests. The level is NaN if no step has one.
type block struct{ level, requests float64 }

// blocks merges the steps [from, to) of a node into blocks of size steps. The last one
// may be shorter.
func (n Node) blocks(from, to, size int) []block {
	requests := n.filled()
	var out []block
	for ; from < min(to, len(n.Level)); from += size {
		b, weight := block{}, 0.0
		for i := from; i < min(from+size, to, len(n.Level)); i++ {
			if v := n.Level[i]; !math.IsNaN(v) {
				w := requests[i]
				if w == 0 {
					w = 1 // the node has no counter
				}
				b.level, b.requests, weight = b.level+v*w, b.requests+requests[i], weight+w
			}
		}
		b.level /= weight // NaN without any
		out = append(out, b)
	}
	return out
}

// filled returns the requests of each step, with gaps filled by the last known number,
// or by the first if there is none before. It is 0 everywhere if no step has requests.
func (n Node) filled() []float64 {
	out, last := make([]float64, len(n.Level)), 0.0
	for _, r := range n.Requests {
		if r > 0 {
			last = r
			break
		}
	}
	for i := range out {
		if r := at(n.Requests, i); r > 0 {
			last = r
		}
		out[i] = last
	}
	return out
}

// changeOf returns the change of a node's level and the number of its requests since
// the alarm. The change is 0 if it is within the noise.
func changeOf(base, around Node, alarm, size int, resolution float64) (change, requests float64) {
	total, weight := 0.0, 0.0
	for _, b := range around.blocks(alarm, alarm+afterAlarm*size, size) {
		if !math.IsNaN(b.level) {
			w := cmp.Or(b.requests, 1)
			total, weight, requests = total+b.level*w, weight+w, requests+b.requests
		}
	}
	var before []float64
	early := min(alarm, len(around.Level))
	from := early % size // blocks end at the alarm
	if early < size {
		from = 0
	}
	for _, b := range around.blocks(from, early, size) {
		if !math.IsNaN(b.level) {
			before = append(before, b.level)
		}
	}
	var quiet []float64
	for _, b := range base.blocks(0, len(base.Level), size) {
		if !math.IsNaN(b.level) {
			quiet = append(quiet, b.level)
		}
	}
	if len(quiet) > 0 {
		before = append(before, stats.Median(quiet))
	}
	if weight == 0 || len(before) == 0 {
		return 0, 0
	}
	change = total/weight - stats.Median(before)
	if change < minNodeZ*noise(base, size, resolution) {
		return 0, requests
	}
	return change, requests
}

// noise returns the noise of a node in an ordinary window, at least the resolution. A
// window that is too short for blocks gives the noise of its steps.
func noise(base Node, size int, resolution float64) float64 {
	var differences []float64
	b := base.blocks(0, len(base.Level), size)
	for i := 2; i < len(b); i++ {
		if d := math.Abs(b[i].level - b[i-2].level); !math.IsNaN(d) {
			differences = append(differences, d)
		}
	}
	if len(differences) < minNoise && size > 1 {
		return noise(base, 1, resolution)
	}
	if len(differences) == 0 {
		return resolution
	}
	return math.Max(resolution, 1.4826*stats.Median(differences))
}

// requestsAfter returns the requests of a node in the blocks that are compared.
func requestsAfter(n Node, alarm, size int) float64 {
	total := 0.0
	for _, b := range n.blocks(alarm, alarm+afterAlarm*size, size) {
		total += b.requests
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
