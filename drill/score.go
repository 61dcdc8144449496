package drill

import (
	"slices"

	"github.com/tenhop/tenhop/drill/scenario"
)

// answer is the part of a diagnosis that is scored.
type answer struct {
	Verdict  string    `json:"verdict"`
	Why      string    `json:"why"`
	Findings []finding `json:"findings"`
}

type finding struct {
	Hop       string `json:"hop"`
	Operation string `json:"operation"`
	Kind      string `json:"kind"`
	Target    string `json:"target"`
	Instance  string `json:"instance"`
	Cause     struct {
		Kind string `json:"kind"`
	} `json:"cause"`
	Attributes []struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	} `json:"attributes"`

	CounterfactualP95 *[2]float64 `json:"counterfactual_p95_ms"`
}

// found reports whether the answer names a hop.
func (a answer) found() bool {
	return (a.Verdict == "spike" || a.Verdict == "errors") && len(a.Findings) > 0
}

// at reports whether a finding is about the hop of an expected answer. A hop without
// self-time metrics may be the target of its caller's wait instead.
func (f finding) at(want scenario.Answer) bool { return f.Hop == want.Hop || f.waitsFor(want) }

func (f finding) waitsFor(want scenario.Answer) bool {
	return f.Kind == "dependency" && f.Target == want.Hop
}

// has reports whether a finding has an attribute with a value.
func (f finding) has(key, value string) bool {
	for _, a := range f.Attributes {
		if a.Key == key && a.Value == value {
			return true
		}
	}
	return false
}

// score compares an answer with the fault. One expected answer must be the first finding;
// several must all be among the findings.
func (p plan) score(r *Round, a answer) {
	if p.control() {
		r.RightHop = !a.found()
		r.RightOperation, r.RightKind = r.RightHop, r.RightHop
		return
	}
	if !a.found() {
		return
	}
	named := 0
	r.RightHop, r.RightOperation, r.RightKind = true, true, true
	for _, want := range p.Expect {
		f := a.Findings[0]
		if len(p.Expect) > 1 {
			if i := slices.IndexFunc(a.Findings, func(f finding) bool { return f.at(want) }); i >= 0 {
				f = a.Findings[i]
			}
		}
		if f.at(want) {
			named++
		}
		r.compare(want, f)
	}
	r.Half = named > 0 && named < len(p.Expect)
}

// compare lowers the marks of a round by what is wrong with a finding.
func (r *Round) compare(want scenario.Answer, f finding) {
	own, waited := f.Hop == want.Hop, f.waitsFor(want)
	r.RightHop = r.RightHop && (own || waited)
	r.RightOperation = r.RightOperation && (waited || own && (want.Operation == "" || f.Operation == want.Operation))
	r.RightKind = r.RightKind && (waited || own && (len(want.Kinds) == 0 || slices.Contains(want.Kinds, f.Kind)))
	if want.Instance != "" {
		lower(&r.RightInstance, own && f.Instance == want.Instance)
	}
	if len(want.Causes) > 0 {
		lower(&r.RightCause, (own || waited) && slices.Contains(want.Causes, f.Cause.Kind))
	}
	for key, value := range want.Attributes {
		lower(&r.RightAttribute, (own || waited) && f.has(key, value))
	}
}

// lower sets an optional mark to false unless it is right, and to right if it is not set.
func lower(mark **bool, right bool) {
	both := right && (*mark == nil || **mark)
	*mark = &both
}
