package diagnose

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// ExplainErrors adds to a result what traces know of its failures: which
// requests show each finding, what they have in common, and, where the metrics
// named no hop, where they begin. failed are traces of the entry that failed,
// normal others.
func ExplainErrors(res *Result, failed, normal []Trace) {
	begins := map[string][]string{} // traces by hop
	for _, t := range failed {
		if s, ok := FirstFailing(t); ok {
			hop := blame(t, s).hop
			begins[hop] = append(begins[hop], t.ID)
		}
	}
	if res.Verdict == Errors && !slices.ContainsFunc(res.Findings, func(f Finding) bool { return f.Kind == KindErrors }) {
		res.Findings = append(begin(failed, res.Errors), res.Findings...)
		res.rank()
	}
	for i := range res.Findings {
		f := &res.Findings[i]
		if f.Kind != KindErrors {
			continue
		}
		f.Exemplars = append([]string{}, begins[f.Hop][:min(3, len(begins[f.Hop]))]...)
		f.Attributes = slices.DeleteFunc(attributes(f, failed, normal), func(a Attribute) bool { return outcome[a.Key] })
	}
}

// outcome are attributes that say that a request failed, not which one it was.
var outcome = map[string]bool{"error": true, "error.type": true, "otel.status_code": true, "otel.status_description": true,
	"rpc.response.status_code": true, "rpc.grpc.status_code": true, "http.response.status_code": true, "http.status_code": true}

type culprit struct{ hop, operation, target string }

// FirstFailing returns the span at which a trace's failure begins: down from
// the topmost that failed, always along the child that failed first, as far as
// there is one. What failed later, such as a compensation, is a consequence.
func FirstFailing(t Trace) (Span, bool) {
	index := make(map[string]int, len(t.Spans))
	for i, s := range t.Spans {
		index[s.ID] = i
	}
	children := map[int][]int{}
	at := -1
	first := func(a, b int) bool {
		x, y := t.Spans[a], t.Spans[b]
		return x.Start.Add(x.Duration).Before(y.Start.Add(y.Duration))
	}
	for i, s := range t.Spans {
		if !s.Failed {
			continue
		}
		if p, ok := index[s.Parent]; ok && p != i && t.Spans[p].Failed {
			children[p] = append(children[p], i)
			continue
		}
		if at < 0 || s.Start.Before(t.Spans[at].Start) {
			at = i
		}
	}
	if at < 0 {
		return Span{}, false
	}
	for {
		next := -1
		for _, c := range children[at] {
			if next < 0 || first(c, next) {
				next = c
			}
		}
		if next < 0 {
			break
		}
		at = next
	}
	return t.Spans[at], true
}

// blame says whose failure a span's is. A call that failed although its callee
// has no failed span failed at the callee, if that is a hop, or on the way.
func blame(t Trace, s Span) culprit {
	if s.Kind != "client" && s.Kind != "producer" {
		return culprit{hop: s.Service, operation: s.Operation}
	}
	peer := s.Peer()
	if slices.ContainsFunc(t.Spans, func(o Span) bool { return o.Service == peer }) {
		return culprit{hop: peer, operation: s.Operation, target: s.Service}
	}
	return culprit{hop: s.Service, operation: s.Operation, target: peer}
}

// Peer is the logical name of what a client's span calls, as far as it says so.
func (s Span) Peer() string {
	for _, k := range []string{"peer.service", "service.peer.name", "messaging.destination.name", "db.system.name", "db.system", "server.address", "net.peer.name"} {
		if v := s.Attributes[k]; v != "" {
			return v
		}
	}
	return ""
}

// begin makes findings of where failed traces begin to fail.
func begin(failed []Trace, entry *Failing) []Finding {
	found, kinds := map[culprit]int{}, map[culprit]string{}
	for _, t := range failed {
		if s, ok := FirstFailing(t); ok {
			c := blame(t, s)
			found[c]++
			kinds[c] = cmp.Or(kinds[c], s.Attributes["error.type"])
		}
	}
	total := 0
	for _, n := range found {
		total += n
	}
	out := []Finding{}
	for _, c := range slices.SortedFunc(maps.Keys(found), func(a, b culprit) int {
		return cmp.Or(cmp.Compare(found[b], found[a]), cmp.Compare(a.hop, b.hop), cmp.Compare(a.operation, b.operation), cmp.Compare(a.target, b.target))
	}) {
		f := Finding{Hop: c.hop, Operation: c.operation, Kind: KindErrors, Target: c.target, Share: round(float64(found[c]) / float64(total)),
			Errors: &Failing{Type: kinds[c]}, Attributes: []Attribute{}, Exemplars: []string{}}
		f.Interval = wilson(found[c], total)
		if entry != nil {
			f.Errors.Baseline, f.Errors.Now = entry.Baseline, round(entry.Now*f.Share)
		}
		out = append(out, f)
	}
	return out
}

// wilson is the 90 % score interval of x of n (Wilson 1927).
func wilson(x, n int) [2]float64 {
	const z = 1.645
	p, m := float64(x)/float64(n), float64(n)
	mid, half := p+z*z/(2*m), z*math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return [2]float64{round((mid - half) / (1 + z*z/m)), round((mid + half) / (1 + z*z/m))}
}
