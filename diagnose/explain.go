package diagnose

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
)

// Explain adds to a result what only traces know: which slow requests show each
// finding, the operation of a hop that reports no metrics of ours, and which
// kind of request is slow. slow and normal are traces of the entry.
func Explain(res *Result, slow, normal []Trace) {
	for i := range res.Findings {
		f := &res.Findings[i]
		if f.Kind == KindErrors {
			continue
		}
		f.Exemplars = exemplars(f, slow)
		if f.Operation == "" && f.Kind == KindSelf {
			// Few are sampled: what ordinary requests call there is the next best.
			f.Operation = cmp.Or(busiest(f.Hop, slow), busiest(f.Hop, normal))
		}
		f.Attributes = attributes(f, slow, normal)
	}
}

// exemplars are the slow traces in which the hop takes the most time itself.
func exemplars(f *Finding, slow []Trace) []string {
	type scored struct {
		id   string
		time time.Duration
	}
	var all []scored
	for _, t := range slow {
		self := SelfTimes(t)
		var d time.Duration
		for i, s := range t.Spans {
			if s.Service == f.Hop {
				d += self[i]
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

// SelfTimes returns each span's duration minus the union of its children's
// intervals, as far as they lie within it.
func SelfTimes(t Trace) []time.Duration {
	children := map[string][]int{}
	for i, s := range t.Spans {
		if s.Parent != "" && s.Parent != s.ID {
			children[s.Parent] = append(children[s.Parent], i)
		}
	}
	out := make([]time.Duration, len(t.Spans))
	for i, s := range t.Spans {
		end := s.Start.Add(s.Duration)
		kids := children[s.ID]
		slices.SortFunc(kids, func(a, b int) int { return t.Spans[a].Start.Compare(t.Spans[b].Start) })
		covered, reached := time.Duration(0), s.Start
		for _, k := range kids {
			from, to := t.Spans[k].Start, t.Spans[k].Start.Add(t.Spans[k].Duration)
			if from.Before(reached) {
				from = reached
			}
			if to.After(end) {
				to = end
			}
			if to.After(from) {
				covered += to.Sub(from)
				reached = to
			}
		}
		out[i] = max(s.Duration-covered, 0)
	}
	return out
}

// busiest returns the operation of a service that takes the most time itself.
func busiest(service string, slow []Trace) string {
	total := map[string]time.Duration{}
	for _, t := range slow {
		self := SelfTimes(t)
		for i, s := range t.Spans {
			if s.Service == service && s.Kind != "client" && s.Kind != "producer" {
				total[s.Operation] += self[i]
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

// identifying attributes differ in every request or say what the span is, not
// what the request was.
var ignored = map[string]bool{"correlation_id": true, "span.kind": true, "internal.span.format": true, "otel.scope.name": true,
	"otel.scope.version": true, "hop.self_ms": true, "url.path": true, "sampler.type": true, "sampler.param": true,
	"user_agent.original": true, "client.address": true, "server.port": true, "network.peer.port": true, "hop.queue_wait_ms": true,
	"rpc.method": true, "rpc.service": true, "http.route": true}

// maxValues is the number of distinct values from which an attribute counts as
// an identifier.
const maxValues = 30

// attributes are the values that slow requests have more often at the suspect
// than others do, by Fisher's exact test, one-sided, with Bonferroni's
// correction for the number of values tried.
func attributes(f *Finding, slow, normal []Trace) []Attribute {
	a, na := valuesAt(f.Hop, slow)
	b, nb := valuesAt(f.Hop, normal)
	out := []Attribute{}
	if na < 5 || nb < 5 {
		return out
	}
	distinct := map[string]int{}
	for kv := range a {
		distinct[kv[0]]++
	}
	tried := 0
	for kv := range a {
		if distinct[kv[0]] <= maxValues {
			tried++
		}
	}
	for kv, x := range a {
		if distinct[kv[0]] > maxValues {
			continue
		}
		y := b[kv]
		if p := fisher(x, na, y, nb); p*float64(tried) > .01 {
			continue
		}
		// Half a request added to each side keeps the ratio finite.
		lift := ((float64(x) + .5) / (float64(na) + 1)) / ((float64(y) + .5) / (float64(nb) + 1))
		if lift >= 1.5 {
			out = append(out, Attribute{Key: kv[0], Value: kv[1], Lift: round(lift)})
		}
	}
	slices.SortFunc(out, func(a, b Attribute) int {
		return cmp.Or(cmp.Compare(b.Lift, a.Lift), strings.Compare(a.Key, b.Key), strings.Compare(a.Value, b.Value))
	})
	return out[:min(len(out), 5)]
}

// valuesAt counts the traces in which the hop's spans have an attribute value.
func valuesAt(hop string, traces []Trace) (map[[2]string]int, int) {
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
				if !ignored[k] && len(v) <= 100 {
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

// fisher returns the one-sided p of x of n against y of m.
func fisher(x, n, y, m int) float64 {
	k := x + y
	logChoose := func(n, k int) float64 {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(k + 1))
		c, _ := math.Lgamma(float64(n - k + 1))
		return a - b - c
	}
	p := 0.0
	for i := x; i <= min(n, k); i++ {
		if k-i > m {
			continue
		}
		p += math.Exp(logChoose(n, i) + logChoose(m, k-i) - logChoose(n+m, k))
	}
	return math.Min(p, 1)
}
