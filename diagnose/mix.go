package diagnose

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
)

// What a shift of the traffic's mix must be to count: a part of the added time,
// and so many standard errors of one value's part of the requests.
const (
	minMixShare = .2
	minMixZ     = 4.0
	minMixSeen  = 5 // requests of a value before, to know what it usually takes
)

// deployed are attributes that say what runs, not what is asked for: another
// value is a change of the system, not of its traffic.
var deployed = []string{"service.", "host.", "k8s.", "container.", "process.", "telemetry.", "deployment.", "net.", "network.", "server."}

// mixShift finds the attribute of the entry's span whose values' parts of the
// requests explain most of the added mean: growth of a mean is what its classes
// grew by plus what moved between them (Kitagawa 1955). It returns a finding
// and what each value of now has to weigh for the mix to be that of before.
func mixShift(base, now sample) (*Finding, map[string]float64, string) {
	added := now.mean(seconds) - base.mean(seconds)
	keys := map[string]bool{}
	for _, r := range now.requests {
		for k := range r.attributes() {
			if !ignored[k] && !outcome[k] && !slices.ContainsFunc(deployed, func(p string) bool { return strings.HasPrefix(k, p) }) {
				keys[k] = true
			}
		}
	}
	var best *Finding
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

type class struct{ n, took float64 }

func classes(s sample, attribute string) (map[string]class, float64) {
	out, seen := map[string]class{}, 0.0
	for i, r := range s.requests {
		if r.trace.Spans == nil {
			continue // only a few keep them
		}
		v := r.attributes()[attribute]
		c := out[v]
		out[v] = class{c.n + s.weights[i], c.took + s.weights[i]*r.took.Seconds()}
		seen += s.weights[i]
	}
	return out, seen
}

func mixOf(base, now sample, attribute string, added float64, tried int) (*Finding, map[string]float64) {
	before, n := classes(base, attribute)
	after, m := classes(now, attribute)
	if len(after) > maxValues || len(before) > maxValues || n == 0 || m == 0 {
		return nil, nil
	}
	moved, most, value := 0.0, 0.0, ""
	sure := false
	weights := map[string]float64{}
	for _, v := range slices.Sorted(maps.Keys(after)) {
		a, b := after[v], before[v]
		if b.n < minMixSeen {
			// Nobody knows what such requests took before: what they add is
			// left to the hops.
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
	for v, b := range before {
		if after[v].n == 0 && b.n >= minMixSeen {
			moved -= b.n / n * b.took / b.n // they have stopped coming
		}
	}
	if !sure || moved < minMixShare*added {
		return nil, nil
	}
	lift := (after[value].n / m) / (before[value].n / n)
	return &Finding{Kind: KindMix, Target: attribute + "=" + value, AddedMS: round(moved * 1000), Share: round(moved / added),
		BaselineMS: round(1000 * before[value].n / n * before[value].took / before[value].n), NowMS: round(1000 * after[value].n / m * after[value].took / after[value].n),
		Attributes: []Attribute{{Key: attribute, Value: value, Lift: round(lift)}}, Exemplars: []string{}}, weights
}

// attributes are those of the entry's own span.
func (r request) attributes() map[string]string {
	if r.trace.Spans == nil {
		return nil
	}
	return r.trace.Spans[r.root].Attributes
}

// reweighted gives the sample the mix of before.
func (s sample) reweighted(attribute string, weights map[string]float64) sample {
	out := sample{}
	for i, r := range s.requests {
		if r.trace.Spans == nil {
			continue
		}
		if w, ok := weights[r.attributes()[attribute]]; ok {
			out.add(r, s.weights[i]*w)
		} else {
			out.add(r, s.weights[i])
		}
	}
	return out
}

// calls finds parts that grew because a call is made more often, not because it
// takes longer, and puts what is behind one call together: retries are the
// callee's, which fails; other repetition is the caller's.
func (b *Book) calls(found []Finding, base, now sample) []Finding {
	before, after := base.profile(len(b.parts)), now.profile(len(b.parts))
	more := map[key]float64{} // times as often
	edges := map[string]map[string]bool{}
	type count struct{ was, is float64 }
	counts, times := map[key]count{}, map[key]count{}
	for i, p := range b.parts {
		k := b.suspectOf(p)
		c, t := counts[k], times[k]
		counts[k] = count{c.was + before.n[i], c.is + after.n[i]}
		times[k] = count{t.was + before.time[i], t.is + after.time[i]}
		if p.kind == KindLink {
			if edges[p.target] == nil {
				edges[p.target] = map[string]bool{}
			}
			edges[p.target][p.hop] = true
		}
	}
	for k, c := range counts {
		t := times[k]
		if c.was < .2 || c.is < 1.5*c.was || t.is <= t.was {
			continue
		}
		// Growth by number, at the mean of the times a piece took.
		if byNumber := (c.is - c.was) * (t.was/c.was + t.is/c.is) / 2; byNumber > .6*(t.is-t.was) {
			more[k] = c.is / c.was
		}
	}
	behind := func(service string) map[string]bool {
		seen := map[string]bool{service: true}
		for todo := []string{service}; len(todo) > 0; todo = todo[1:] {
			for next := range edges[todo[0]] {
				if !seen[next] {
					seen[next] = true
					todo = append(todo, next)
				}
			}
		}
		return seen
	}
	grown := map[string]bool{} // callees that are called more often
	for k := range more {
		if k.kind == KindLink {
			grown[k.hop] = true
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(more), func(x, y key) int {
		return cmp.Or(cmp.Compare(x.hop, y.hop), cmp.Compare(x.kind, y.kind), cmp.Compare(x.target, y.target))
	}) {
		caller, callee := k.target, k.hop
		if k.kind == KindDependency {
			caller, callee = k.hop, k.target
		}
		if k.kind == KindSelf || grown[caller] {
			continue
		}
		inside := behind(callee)
		if k.kind == KindDependency {
			inside = map[string]bool{}
		}
		whole := Finding{Hop: caller, Kind: KindCalls, Target: callee, Attributes: []Attribute{}, Exemplars: []string{}, Calls: &Calls{Baseline: round(counts[k].was), Now: round(counts[k].is)}}
		if now.failing(callee) > .2 {
			whole.Hop, whole.Target = callee, caller
		}
		var rest []Finding
		for _, f := range found {
			mine := key{f.Hop, f.Kind, f.Target}
			if mine != k && (!inside[f.Hop] || more[mine] == 0) {
				rest = append(rest, f)
				continue
			}
			whole.BaselineMS, whole.NowMS = whole.BaselineMS+f.BaselineMS, whole.NowMS+f.NowMS
			whole.AddedMS, whole.Share = round(whole.AddedMS+f.AddedMS), round(whole.Share+f.Share)
			whole.Interval[0], whole.Interval[1] = round(whole.Interval[0]+f.Interval[0]), round(whole.Interval[1]+f.Interval[1])
			whole.Operation = cmp.Or(whole.Operation, f.Operation)
			whole.CounterfactualMS = round((now.mean(seconds))*1000 - whole.AddedMS)
		}
		if whole.AddedMS > 0 {
			found = append(rest, whole)
		}
	}
	slices.SortStableFunc(found, func(x, y Finding) int { return cmp.Compare(y.AddedMS, x.AddedMS) })
	return found
}

// failing is the part of a service's spans, or of the calls to it, that failed.
func (s sample) failing(service string) float64 {
	failed, all := 0.0, 0.0
	for _, r := range s.requests {
		for _, x := range r.trace.Spans {
			if x.Service == service && x.Kind != "client" || x.Kind == "client" && x.Peer() == service {
				all++
				if x.Failed {
					failed++
				}
			}
		}
	}
	return failed / math.Max(all, 1)
}
