package drill

import (
	"encoding/json"
	"slices"

	"github.com/tenhop/tenhop/drill/scenario"
)

// Answer holds the parts of a diagnosis that are scored.
type Answer struct {
	Verdict     string    `json:"verdict"`
	Why         string    `json:"why"`
	Findings    []Finding `json:"findings"`
	ResolutionS float64   `json:"resolution_s"` // of the metrics; 0 if they decided nothing
}

// Finding is a finding of an Answer.
type Finding struct {
	Hop       string `json:"hop"`
	Operation string `json:"operation"`
	Kind      string `json:"kind"`
	Target    string `json:"target"`
	Instance  string `json:"instance"`
	EitherEnd bool   `json:"either_end"` // of a link: hop and target are named alike
	Cause     struct {
		Kind string `json:"kind"`
	} `json:"cause"`
	Attributes []struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	} `json:"attributes"`

	CounterfactualP95 *[2]float64 `json:"counterfactual_p95_ms"`
}

// Found reports whether the answer names a hop.
func (a Answer) Found() bool {
	return (a.Verdict == "spike" || a.Verdict == "errors") && len(a.Findings) > 0
}

// agrees reports whether another answer, too, names hops, and the same as the first n, in
// whatever order.
func (a Answer) agrees(with Answer, n int) bool {
	if !a.Found() || !with.Found() {
		return false
	}
	first := func(a Answer) []Finding { return a.Findings[:min(max(n, 1), len(a.Findings))] }
	for _, f := range first(a) {
		if !slices.ContainsFunc(first(with), func(g Finding) bool {
			return f.Hop == g.Hop || f.EitherEnd && f.Target == g.Hop || g.EitherEnd && f.Hop == g.Target
		}) {
			return false
		}
	}
	return true
}

// Said returns the answer of a round, or the zero Answer of a round without one.
func (r Round) Said() (a Answer) {
	_ = json.Unmarshal(r.Answer, &a)
	return a
}

// at reports whether a finding is about the hop of an expected answer. A hop without
// self-time metrics may be the target of its caller's wait instead.
func (f Finding) at(want scenario.Answer) bool { return f.is(want) || f.waitsFor(want) }

// is reports whether a finding is of the hop of an expected answer. If the fault is of a link,
// a link whose ends nothing tells apart is named right by either, and so are calls that fail on
// their way between the two.
func (f Finding) is(want scenario.Answer) bool {
	link := (f.EitherEnd && f.Kind == "link" || f.Kind == "errors" && f.Cause.Kind == "link") && slices.Contains(want.Kinds, "link") && !slices.Contains(want.Kinds, "self")
	return f.Hop == want.Hop || link && f.Target == want.Hop
}

func (f Finding) waitsFor(want scenario.Answer) bool {
	return f.Kind == "dependency" && f.Target == want.Hop
}

// has reports whether a finding has an attribute with a value.
func (f Finding) has(key, value string) bool {
	for _, a := range f.Attributes {
		if a.Key == key && a.Value == value {
			return true
		}
	}
	return false
}

// score compares an answer with the fault. One expected answer must be the first finding;
// several must all be among the findings, each another one.
func (p plan) score(r *Round, a Answer) {
	if p.control() {
		r.RightHop = !a.Found()
		r.RightOperation, r.RightKind = r.RightHop, r.RightHop
		return
	}
	if !a.Found() {
		return
	}
	named := 0
	r.RightHop, r.RightOperation, r.RightKind = true, true, true
	left := slices.Clone(a.Findings)
	for _, want := range p.Expect {
		i := 0
		if len(p.Expect) > 1 {
			i = best(left, want)
		}
		if i < 0 {
			r.compare(want, Finding{})
			continue
		}
		if left[i].at(want) {
			named++
		}
		r.compare(want, left[i])
		left = slices.Delete(left, i, i+1) // it answers one
	}
	r.Half = named > 0 && named < len(p.Expect)
}

// best returns the index of the finding about a hop that fits an expected answer best, or -1
// if none is about the hop.
func best(findings []Finding, want scenario.Answer) int {
	at, least := -1, 0
	for i, f := range findings {
		if !f.at(want) {
			continue
		}
		alone := Round{RightHop: true, RightOperation: true, RightKind: true}
		alone.compare(want, f)
		wrong := 2 * len(alone.Wrong())
		if f.Hop != want.Hop { // the hop itself comes before a wait for it
			wrong++
		}
		if at < 0 || wrong < least {
			at, least = i, wrong
		}
	}
	return at
}

// compare lowers the marks of a round by what is wrong with a finding.
func (r *Round) compare(want scenario.Answer, f Finding) {
	own, waited := f.is(want), f.waitsFor(want)
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
