package split

import (
	"slices"

	"github.com/tenhop/tenhop/diagnose/result"
)

// Work behind a queue or a link explains the wait in front of it from this fraction of
// the wait's growth. For a link, whose delay may have other causes, the work must also
// take saturated times as long as before.
const (
	minCause  = .1
	saturated = 1.5
)

// causesFirst moves the findings of a service before the finding of the queue or link
// in front of it. Near saturation, a small increase in service time causes a much
// larger increase in the wait (Kingman 1961). The work behind a link may be that of a
// service that the callee calls.
func causesFirst(found []result.Finding, all []contribution) []result.Finding {
	callees := map[string][]string{}
	for _, s := range all {
		if s.kind == result.KindLink && s.target != "caller" {
			callees[s.target] = append(callees[s.target], s.hop)
		}
	}
	var out []result.Finding
	for len(found) > 0 {
		first := 0
		q := found[0]
		behind := []string{q.Hop}
		if q.Kind == result.KindLink {
			behind = nil
			if i := slices.IndexFunc(all, func(s contribution) bool { return s.key == keyOf(q) }); i >= 0 {
				behind = reach(q.Hop, callees)
			} else if q.EitherEnd {
				behind = reach(q.Target, callees)
			}
		}
		if i := slices.IndexFunc(found, func(f result.Finding) bool { return explains(f, q, behind) }); i > 0 {
			first = i
		}
		out = append(out, found[first])
		found = slices.Delete(found, first, first+1)
	}
	return out
}

// explains reports whether the work of a finding, of one of the services behind q, may
// cause the wait q.
func explains(f, q result.Finding, behind []string) bool {
	if !slices.Contains(behind, f.Hop) || f.AddedMS <= minCause*q.AddedMS {
		return false
	}
	switch q.Kind {
	case result.KindQueue:
		return f.Kind != result.KindQueue
	case result.KindLink:
		return (f.Kind == result.KindSelf || f.Kind == result.KindDependency) && f.NowMS >= saturated*f.BaselineMS
	}
	return false
}

// keyOf returns the key of the contribution of a link whose hop is the callee.
func keyOf(f result.Finding) key { return key{hop: f.Hop, kind: f.Kind, target: f.Target} }

// reach returns a service and those that it calls, directly or indirectly.
func reach(service string, callees map[string][]string) []string {
	out := []string{service}
	for i := 0; i < len(out); i++ {
		for _, c := range callees[out[i]] {
			if !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	}
	return out
}
