package mcp

import (
	"context"
	"errors"
	"slices"

	"github.com/tenhop/tenhop/diagnose/render"
	"github.com/tenhop/tenhop/diagnose/result"
)

// Question selects what is diagnosed.
type Question struct {
	Entry string `json:"entry,omitempty" jsonschema:"edge operation, such as POST /checkout; the worst one if empty"`
	Since string `json:"since,omitempty" jsonschema:"how far back to look, such as 15m; 5m if empty, 24h at most"`
}

// Diagnosis is the result of a diagnosis, as printed by `tenhop diagnose --json`, without
// details that do not fit.
type Diagnosis struct {
	Says string `json:"says" jsonschema:"the verdict in one sentence"`
	result.Result
	LeftOut []string `json:"left_out,omitempty" jsonschema:"details that did not fit; tenhop diagnose --json has them"`
}

func (t tools) diagnose(ctx context.Context, in Question) (Diagnosis, error) {
	if t.cfg.Diagnose == nil {
		return Diagnosis{}, errors.New("no source is configured; start `tenhop mcp` with --prometheus URL, --jaeger URL or --config FILE")
	}
	since, err := period(in.Since, 0, maxDiagnosed)
	if err != nil {
		return Diagnosis{}, err
	}
	res, err := t.cfg.Diagnose(ctx, in.Entry, since)
	if err != nil {
		return Diagnosis{}, err
	}
	return newDiagnosis(res), nil
}

func newDiagnosis(res result.Result) Diagnosis {
	res.Findings = slices.Clone(res.Findings) // shorten changes them
	res.Stages = nil
	return Diagnosis{Says: render.Verdict(res), Result: res}
}

// detail is a part of a diagnosis that can be left out.
type detail struct {
	name string
	drop func(*Diagnosis) bool // reports whether there was something to drop
}

// details lists the details in the order in which they are left out.
var details = [...]detail{
	{"sources that answered", func(d *Diagnosis) bool {
		return tidy(&d.Sources, slices.DeleteFunc(slices.Clone(d.Sources), func(s result.Source) bool { return s.OK && s.Note == "" }))
	}},
	{"traces beyond three per finding", eachFinding(func(f *result.Finding) bool { return keep(&f.Exemplars, 3) })},
	{"stacks", eachFinding(func(f *result.Finding) bool {
		if f.Why == nil || len(f.Why.Parts) <= 2 {
			return false
		}
		why := *f.Why
		why.Parts = why.Parts[:2]
		f.Why = &why
		return true
	})},
	{"quantiles", func(d *Diagnosis) bool { return keep(&d.Quantiles, 0) }},
	{"operations beyond three per finding", eachFinding(func(f *result.Finding) bool { return keep(&f.Operations, 3) })},
	{"profiles beyond three functions", eachFinding(func(f *result.Finding) bool { return keep(&f.Profile, 3) })},
	{"quotes beyond one per finding", eachFinding(func(f *result.Finding) bool { return keep(&f.Quotes, 1) })},
	{"attributes beyond two per finding", eachFinding(func(f *result.Finding) bool { return keep(&f.Attributes, 2) })},
	{"ranges of the baseline", func(d *Diagnosis) bool { return keep(&d.BaselineParts, 0) }},
	{"phases", func(d *Diagnosis) bool {
		if d.Minority == nil || len(d.Minority.Phases) == 0 {
			return false
		}
		m := *d.Minority
		m.Phases, d.Minority = nil, &m
		return true
	}},
	{"gaps and parts of few requests beyond five", func(d *Diagnosis) bool {
		if d.Few == nil || len(d.Few.Gaps) <= 5 && len(d.Few.Parts) <= 5 {
			return false
		}
		few := *d.Few
		keep(&few.Gaps, 5)
		keep(&few.Parts, 5)
		d.Few = &few
		return true
	}},
	{"other entries beyond five", func(d *Diagnosis) bool { return keep(&d.OtherEntries, 5) }},
	{"signals beyond two per cause", eachFinding(func(f *result.Finding) bool {
		if f.Cause == nil || len(f.Cause.Evidence) <= 2 {
			return false
		}
		c := *f.Cause
		c.Evidence, f.Cause = c.Evidence[:2], &c
		return true
	})},
	{"details of the third finding and those after it", func(d *Diagnosis) bool {
		return strip(d.Findings, 2)
	}},
	{"deploys beyond five", func(d *Diagnosis) bool { return keep(&d.Deploys, 5) }},
	{"warnings beyond three", func(d *Diagnosis) bool { return keep(&d.Warnings, 3) }},
	{"details of the findings", func(d *Diagnosis) bool { return strip(d.Findings, 0) }},
}

// facts lists what is left out, after the details, if the shortest texts do not fit.
var facts = [...]detail{
	{"findings beyond ten", func(d *Diagnosis) bool { return keep(&d.Findings, 10) }},
	{"findings beyond five", func(d *Diagnosis) bool { return keep(&d.Findings, 5) }},
}

// shorten leaves out the next of the details or, if last is set, of the facts.
func (d *Diagnosis) shorten(last bool) bool {
	all := details[:]
	if last {
		all = slices.Concat(all, facts[:])
	}
	for _, x := range all {
		if x.drop(d) {
			d.LeftOut = append(d.LeftOut, x.name)
			return true
		}
	}
	return false
}

// strip leaves out what supports findings from the given index on. The place, the times,
// the cause and one trace of each are left.
func strip(findings []result.Finding, from int) (changed bool) {
	for i := from; i < len(findings); i++ {
		f := &findings[i]
		changed = keep(&f.Operations, 0) || changed
		changed = keep(&f.Profile, 0) || changed
		changed = keep(&f.Quotes, 0) || changed
		changed = keep(&f.Attributes, 0) || changed
		changed = keep(&f.Exemplars, 1) || changed
		if f.Why != nil {
			f.Why, changed = nil, true
		}
		if c := f.Cause; c != nil && len(c.Evidence) > 0 {
			bare := *c
			bare.Evidence, f.Cause, changed = []result.Signal{}, &bare, true
		}
	}
	return changed
}

func eachFinding(drop func(*result.Finding) bool) func(*Diagnosis) bool {
	return func(d *Diagnosis) (changed bool) {
		for i := range d.Findings {
			changed = drop(&d.Findings[i]) || changed
		}
		return changed
	}
}

// keep leaves the first n elements of a list and reports whether there were more.
func keep[T any](list *[]T, n int) bool {
	if len(*list) <= n {
		return false
	}
	*list = (*list)[:n:n]
	return true
}

// tidy replaces a list by a part of it and reports whether that is shorter.
func tidy[T any](list *[]T, part []T) bool {
	if len(part) == len(*list) {
		return false
	}
	*list = part
	return true
}
