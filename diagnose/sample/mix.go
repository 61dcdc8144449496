package sample

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tenhop/tenhop/diagnose/explain"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// Thresholds of a change in the mix of requests.
const (
	minMixShare = .2  // minimum share of the added time
	minMixZ     = 4.0 // minimum z-score of the frequency of a value
	minMixSeen  = 5   // minimum requests of a value in the baseline
)

// deploymentPrefixes are the prefixes of attributes that describe the deployment, not
// the request.
var deploymentPrefixes = []string{"service.", "host.", "k8s.", "container.", "process.", "telemetry.", "deployment.", "net.", "network.", "server."}

// mixShift finds the attribute of the entry's span whose change in proportions explains
// most of the growth of the mean. The growth is the sum of the growth within classes
// and of the change in their proportions (Kitagawa 1955). mixShift returns the finding,
// the weight of each value that restores the proportions of base, and the attribute. The
// finding is nil if no change in proportions is large enough.
func mixShift(base, now Requests) (*result.Finding, map[string]float64, string) {
	added := now.mean(seconds) - base.mean(seconds)
	keys := map[string]bool{}
	for _, r := range now.requests {
		for k := range r.attributes() {
			if explain.Describes(k) && !hasPrefix(k, deploymentPrefixes) {
				keys[k] = true
			}
		}
	}
	var best *result.Finding
	var weights map[string]float64
	var chosen string
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		f, w := mixOf(base, now, k, added, len(keys))
		if f != nil && (best == nil || f.Share > best.Share) {
			best, weights, chosen = f, w, k
		}
	}
	return best, weights, chosen
}

// hasPrefix reports whether key begins with one of prefixes.
func hasPrefix(key string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(key, p) })
}

// class holds the weighted number of requests with an attribute value and their total
// duration in seconds.
type class struct{ n, took float64 }

// classes returns the classes of an attribute and their total number of requests. If
// binned is set, numbers are in classes of their powers of two.
func classes(s Requests, attribute string, binned bool) (map[string]class, float64) {
	out, seen := map[string]class{}, 0.0
	for i, r := range s.requests {
		if r.trace.Spans == nil {
			continue // attributes are in the spans
		}
		v := valueOf(r.attributes(), attribute, binned)
		c := out[v]
		out[v] = class{c.n + s.weights[i], c.took + s.weights[i]*r.took.Seconds()}
		seen += s.weights[i]
	}
	return out, seen
}

// mixOf returns the finding and the weights for one attribute; tried is the number of
// attributes tested.
func mixOf(base, now Requests, attribute string, added float64, tried int) (*result.Finding, map[string]float64) {
	binned := numeric(attribute, base, now)
	before, n := classes(base, attribute, binned)
	after, m := classes(now, attribute, binned)
	if len(after) > explain.MaxValues || len(before) > explain.MaxValues || n == 0 || m == 0 {
		return nil, nil
	}
	moved, most, value := 0.0, 0.0, ""
	sure := false
	weights := map[string]float64{}
	steady := steadyClasses(before, after)
	unseen, unseenBefore, mostUnseen, newest := 0.0, 0.0, 0.0, ""
	for _, v := range slices.Sorted(maps.Keys(after)) {
		a, b := after[v], before[v]
		if b.n < minMixSeen {
			if !steady {
				continue // the baseline duration of these requests is not known
			}
			// Requests of the other values take as long as before, so these would have, too.
			weights[v] = 0
			by := (a.n/m - b.n/n) * (a.took/a.n - (base.mean(seconds)))
			moved += by
			unseen, unseenBefore = unseen+a.n, unseenBefore+b.n
			if by > mostUnseen {
				mostUnseen, newest = by, v
			}
			continue
		}
		p, q := b.n/n, a.n/m
		weights[v] = p / q
		by := (q - p) * (b.took/b.n + a.took/a.n) / 2
		moved += by
		pooled := (b.n + a.n) / (n + m)
		if z := (q - p) / math.Sqrt(math.Max(pooled*(1-pooled), 1e-9)*(1/n+1/m)); z > minMixZ+math.Log10(float64(tried)) && by > most {
			most, value, sure = by, v, true
		}
	}
	// Values that are new count together.
	pooled := (unseen + unseenBefore) / (n + m)
	if z := (unseen/m - unseenBefore/n) / math.Sqrt(math.Max(pooled*(1-pooled), 1e-9)*(1/n+1/m)); z > minMixZ+math.Log10(float64(tried)) && mostUnseen > most {
		value, sure = newest, true
	}
	for v, b := range before {
		if after[v].n == 0 && b.n >= minMixSeen {
			moved -= b.n / n * b.took / b.n // none of these requests now
		}
	}
	if !sure || moved < minMixShare*added {
		return nil, nil
	}
	was := math.Max(before[value].n, .5)
	lift := (after[value].n / m) / (was / n)
	moved = math.Min(moved, added)
	return &result.Finding{Kind: result.KindMix, Target: attribute + "=" + value,
		AddedMS: stats.Round(moved * 1000), Share: stats.Round(moved / added),
		BaselineMS: stats.Round(1000 * before[value].took / n),
		NowMS:      stats.Round(1000 * after[value].took / m),
		Attributes: []result.Attribute{{Key: attribute, Value: value, Lift: stats.Round(lift)}}, Exemplars: []string{}}, weights
}

// maxSteady is the relative growth of requests whose attribute has a value of the baseline
// up to which they take as long as before.
const maxSteady = .25

// steadyClasses reports whether requests of the values that the baseline has take as long
// as before.
func steadyClasses(before, after map[string]class) bool {
	n, grew, ordinary := 0.0, 0.0, 0.0
	for v, a := range after {
		if b := before[v]; b.n >= minMixSeen && a.n > 0 {
			n, grew, ordinary = n+a.n, grew+a.took-a.n*b.took/b.n, ordinary+a.n*b.took/b.n
		}
	}
	return n >= 2*minMixSeen && math.Abs(grew) <= maxSteady*ordinary
}

// minNumbers is the number of distinct values from which numbers are put into classes.
const minNumbers = 6

// numeric reports whether an attribute is a number of many values.
func numeric(attribute string, samples ...Requests) bool {
	seen := map[string]bool{}
	for _, s := range samples {
		for _, r := range s.requests {
			v, ok := r.attributes()[attribute]
			if !ok {
				continue
			}
			if x, err := strconv.ParseFloat(v, 64); err != nil || x < 0 {
				return false
			}
			seen[v] = true
		}
	}
	return len(seen) >= minNumbers
}

// valueOf returns the value of an attribute, or the class of numbers that it is in.
func valueOf(attributes map[string]string, key string, binned bool) string {
	v := attributes[key]
	if !binned {
		return v
	}
	x, err := strconv.ParseFloat(v, 64)
	if err != nil {
		return v
	}
	low := 0.0
	if x >= 1 {
		low = math.Pow(2, math.Floor(math.Log2(x)))
	}
	return strconv.FormatFloat(low, 'f', -1, 64) + ".." + strconv.FormatFloat(math.Max(2*low, 1), 'f', -1, 64)
}

// Mix returns the finding of the change in the mix of requests that explains most of the
// growth of the mean, or nil.
func Mix(base, now Requests) *result.Finding {
	if !(now.mean(seconds) > base.mean(seconds)) {
		return nil
	}
	f, _, _ := mixShift(base, now)
	return f
}

// attributes returns the attributes of the entry's span.
func (r request) attributes() map[string]string {
	if r.trace.Spans == nil {
		return nil
	}
	return r.trace.Spans[r.root].Attributes
}

// reweighted returns the requests with the weights of their class applied.
func (s Requests) reweighted(attribute string, weights map[string]float64) Requests {
	out := Requests{}
	for i, r := range s.requests {
		if r.trace.Spans == nil {
			continue
		}
		v := valueOf(r.attributes(), attribute, false)
		if _, ok := weights[v]; !ok {
			v = valueOf(r.attributes(), attribute, true)
		}
		if w, ok := weights[v]; ok && w > 0 {
			out.add(r, s.weights[i]*w)
		} else if ok {
			continue
		} else {
			out.add(r, s.weights[i])
		}
	}
	return out
}
