package diagnose

import "slices"

// mostSuspects bounds the findings of a comparison.
const mostSuspects = 10

// Judge gives a result of traces from two times the verdict of a comparison of
// them, and its suspects first, in their order: what the time on critical paths
// cannot show, such as calls that are no longer made, or less work than before,
// a comparison sees. Errors that were found keep the verdict and the first place.
func (r *Result) Judge(c Comparison) {
	rest := r.Findings
	r.Findings = []Finding{}
	take := func(fits func(Finding) bool) {
		for i := 0; i < len(rest); {
			if fits(rest[i]) {
				r.Findings = append(r.Findings, rest[i])
				rest = slices.Delete(rest, i, i+1)
				continue
			}
			i++
		}
	}
	if r.Verdict == Errors {
		take(func(f Finding) bool { return f.Kind == KindErrors })
	} else {
		r.Verdict, r.Why = c.Verdict, ""
		if c.Verdict == Unsure {
			r.Why = "chance may explain what differs, or there are too few traces to tell"
		}
	}
	for _, s := range c.Suspects {
		if s.P >= doubtP || len(r.Findings) == mostSuspects {
			continue
		}
		n := len(r.Findings)
		take(func(f Finding) bool { return len(r.Findings) == n && f.Hop == s.Service && f.Kind != KindMix })
		if len(r.Findings) == n {
			r.Findings = append(r.Findings, Finding{Hop: s.Service, Operation: s.Operation, Kind: s.Kind, Target: s.Target, Attributes: []Attribute{}, Exemplars: []string{}})
		}
		r.Findings[n].Evidence = s.Evidence
	}
	if r.Verdict != None {
		take(func(Finding) bool { return true })
	}
	r.rank()
}
