// Package gate decides whether a diagnosis holds what a pipeline is to fail on.
package gate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/diagnose/result"
)

// Conditions that a pipeline may fail on.
const (
	Spike  = "spike"  // the latency of an entry has left its baseline
	Errors = "errors" // the failure ratio of an entry has left its baseline
	Growth = "growth" // a hop's time grew by more than its noise, between two versions
	Unsure = "unsure" // the evidence does not decide any of the others that are asked for
)

// All returns the conditions.
func All() []string { return []string{Spike, Errors, Growth, Unsure} }

// Outcome is the result of a check.
type Outcome string

// Outcomes.
const (
	Passed    Outcome = "passed"
	Failed    Outcome = "failed"
	Undecided Outcome = "undecided" // the evidence does not decide
)

// Check is one thing that was looked at.
type Check struct {
	Condition string
	Name      string // of the part that was checked; empty for the whole system
	Outcome   Outcome
	Text      string // what was found, one sentence
}

// Checks returns what a result says of the conditions: one check of each, and one of
// each part of a growth. verdict is the first line of the result.
func Checks(r result.Result, conditions []string, verdict string) []Check {
	var out []Check
	for _, c := range All() {
		if !slices.Contains(conditions, c) {
			continue
		}
		switch c {
		case Spike:
			out = append(out, Check{c, "", outcome(r, slow(r)), verdict})
		case Errors:
			out = append(out, Check{c, "", outcome(r, failing(r)), verdict})
		case Growth:
			out = append(out, growth(r.Growth)...)
		case Unsure:
			out = append(out, unsure(r, conditions, out))
		}
	}
	return out
}

// Found returns the checks that failed.
func Found(checks []Check) []Check {
	return slices.DeleteFunc(slices.Clone(checks), func(c Check) bool { return c.Outcome != Failed })
}

func outcome(r result.Result, found bool) Outcome {
	switch {
	case found:
		return Failed
	case r.Verdict == result.Unsure:
		return Undecided
	}
	return Passed
}

// slow reports whether latency has left its baseline. It may have beside failures.
func slow(r result.Result) bool {
	return r.Verdict == result.Spike || r.Verdict == result.Errors && r.AddedMS > 0 &&
		slices.ContainsFunc(r.Findings, func(f result.Finding) bool { return f.Kind != result.KindErrors && f.Entry == "" })
}

func failing(r result.Result) bool {
	return r.Verdict == result.Errors || r.Verdict == result.Spike && r.Errors != nil
}

func growth(g *result.Growth) []Check {
	switch {
	case g == nil:
		return []Check{{Growth, "", Undecided, "there are no rounds of two versions to compare: give five files or more of each, recorded in turns, or --canary"}}
	case g.Why != "":
		return []Check{{Growth, "", Undecided, g.Why}}
	}
	var out []Check
	for _, p := range g.Parts {
		o := Passed
		if p.Grew {
			o = Failed
		}
		out = append(out, Check{Growth, Name(p), o, fmt.Sprintf("%.1f ms before, %.1f ms now: %+.1f ms with a noise of %.1f ms", p.BaselineMS, p.NowMS, p.AddedMS, p.NoiseMS)})
	}
	if len(out) == 0 {
		out = append(out, Check{Growth, "", Undecided, "the requests have no hops"})
	}
	for _, e := range g.LeftOut {
		out = append(out, Check{Growth, e, Undecided, "the requests of this entry are not compared: too few rounds have some of both versions"})
	}
	return out
}

// unsure fails if a check that is asked for is undecided, or if none is asked for and the
// verdict is unsure.
func unsure(r result.Result, conditions []string, checks []Check) Check {
	for _, c := range checks {
		if c.Outcome == Undecided {
			return Check{Unsure, "", Failed, c.Text}
		}
	}
	if len(conditions) == 1 && r.Verdict == result.Unsure {
		return Check{Unsure, "", Failed, r.Why}
	}
	return Check{Unsure, "", Passed, "the evidence decides"}
}

// Name returns the name of a part of a growth.
func Name(p result.GrowthPart) string {
	name := strings.TrimSpace(p.Hop + " " + p.Operation)
	if p.Operation == "" {
		name += " (operations of one version only)"
	}
	switch {
	case p.Kind == result.KindDependency && p.Target != "":
		name += ", waiting for " + p.Target
	case p.Kind == result.KindDependency:
		name += ", waiting"
	case p.Kind == result.KindLink && p.Target != "":
		name += ", link from " + p.Target
	case p.Kind == result.KindLink:
		name += ", link from its caller"
	}
	return name
}
