package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/diagnose/explain"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/diagnose/stats"
	"github.com/tenhop/tenhop/trace"
)

// Traces holds traces of the entry of a diagnosis.
type Traces struct {
	Slow, Normal, Failed []trace.Trace

	// Before and Now are drawn from the baseline and from the present level,
	// regardless of their duration. If set, they include the traces in Normal.
	Before, Now []trace.Trace
}

// Len returns the number of traces read.
func (t Traces) Len() int {
	n := len(t.Slow) + len(t.Failed) + len(t.Before) + len(t.Now)
	if len(t.Before)+len(t.Now) == 0 {
		n += len(t.Normal)
	}
	return n
}

// Entry returns the entry that the result describes so far.
func (d *Diagnosis) Entry() result.Entry { return d.result.Entry }

// AddTraces adds evidence from traces of the entry: quantiles, exemplars, attributes,
// the origin of failures and new versions. If the metrics have no self times, it also
// splits the added time.
func (d *Diagnosis) AddTraces(t Traces) {
	r := &d.result
	verdict := d.Result().Verdict
	if d.grounds.red && verdict != result.None {
		d.locate(t, verdict)
	}
	if len(t.Now) > 0 && r.AddedMS > 0 && r.Entry.Flow != "async" {
		s := sample.New()
		before, now := s.Of(r.Entry, t.Before), s.Of(r.Entry, t.Now)
		if len(t.Before) > 0 && !d.grounds.red && verdict != result.Errors {
			d.mix(before, now)
			d.structure(s, before, now)
		}
		s.Foresee(r, before, now)
	}
	d.onLink(t.Before, t.Now)
	if r.Errors != nil {
		r.Verdict = verdict
		explain.Errors(r, t.Failed, t.Normal)
	}
	d.explainEntry("", t.Slow, t.Failed, t.Normal)
	d.noteLogTraces(t.Slow, t.Failed, t.Normal)
	explain.Deploys(r, slices.Concat(t.Slow, t.Failed), slices.DeleteFunc(slices.Clone(t.Normal), func(t trace.Trace) bool {
		return len(t.Spans) == 0 || t.Spans[0].Start.After(r.Window.From)
	}))
}

// mostlyMix is the share of the added time from which a change of mix comes first, and
// hops are no longer blamed for what requests of other kinds always take.
const mostlyMix = .5

// mix adds a change in the mix of requests, which metrics cannot tell from slower hops.
func (d *Diagnosis) mix(before, now sample.Requests) {
	f := sample.Mix(before, now)
	if f == nil {
		return
	}
	r := &d.result
	f.Evidence = fmt.Sprintf("requests with %s are %.1f times as frequent as before; requests of each kind take as long as before", f.Target, f.Attributes[0].Lift)
	at := slices.IndexFunc(r.Findings, func(have result.Finding) bool { return have.Share < f.Share })
	if at < 0 || f.Share >= mostlyMix {
		at = 0
	}
	r.Findings = slices.Insert(r.Findings, at, *f)
	if f.Share < mostlyMix {
		return
	}
	// What is left for the hops is what the mix does not explain.
	left := 1 - min(f.Share, 1)
	r.Findings = slices.DeleteFunc(r.Findings, func(have result.Finding) bool {
		return have.Kind != result.KindMix && have.Kind != result.KindErrors && have.Entry == "" && have.Cause == nil && have.Share*left < defaultMinShare*2
	})
	for i := range r.Findings[1:] {
		x := &r.Findings[i+1]
		if x.Kind != result.KindErrors && x.Entry == "" && x.Cause == nil {
			x.Evidence = strings.TrimPrefix(x.Evidence+"; part of it is the mix of requests", "; ")
		}
	}
}

// locate splits the added time of an entry whose metrics have no self times.
func (d *Diagnosis) locate(t Traces, verdict string) {
	r := &d.result
	if t.Len() == 0 && located(r.Findings) {
		return // the durations of calls split the added time
	}
	if t.Len() == 0 {
		d.grounds.unsplit = "the metrics have no hop_* families, which split the added time: traces have to tell"
		return
	}
	d.grounds.decidedBy = result.DecidedByBoth
	if len(t.Failed) > 0 {
		// Findings from traces are more precise. Client metrics without the
		// middleware name hosts, not services.
		r.Findings = slices.DeleteFunc(r.Findings, func(f result.Finding) bool { return f.Kind == result.KindErrors })
	}
	if r.AddedMS <= 0 || verdict == result.Errors {
		return
	}
	s := sample.New()
	before, now := s.Of(r.Entry, t.Before), s.Of(r.Entry, t.Now)
	if before.Len() < stats.MinRequests || now.Len() < stats.MinRequests {
		if located(r.Findings) {
			return
		}
		d.grounds.unsplit = fmt.Sprintf("%d traces from before and %d from now are too few to split the added time; %d are needed",
			before.Len(), now.Len(), stats.MinRequests)
		return
	}
	failures := slices.DeleteFunc(r.Findings, func(f result.Finding) bool { return f.Kind != result.KindErrors })
	r.Findings = append(failures, s.Latency(before, now, defaultMinShare)...)
	if !located(r.Findings) {
		d.grounds.unsplit = "the traces that were read do not explain the added time"
	}
}

// ExplainSample adds the same evidence as AddTraces from the traces of
// Evidence.Sample, which must be set.
func (d *Diagnosis) ExplainSample() {
	r := &d.result
	base, now := d.sample.During(r.Entry, r.BaselineRanges()), d.sample.During(r.Entry, []result.Range{r.Window})
	d.sample.Foresee(r, base, now)
	border := r.SlowBorder()
	failed, slow, normal := now.Traces(border)
	_, _, before := base.Traces(border)
	if r.Errors != nil {
		r.Verdict = d.Result().Verdict
		explain.Errors(r, failed, before)
	}
	d.explainEntry("", slow, failed, slices.Concat(normal, before))
	d.explainOtherEntries()
	d.noteLogTraces(slow, failed, before)
	d.before, d.now = before, slices.Concat(failed, slow, normal)
	explain.Deploys(r, slices.Concat(slow, normal, failed), before)
	if n := d.sample.Misdated(); n > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%d traces were left out because their time is days from that of the others", n))
	}
	if n, _ := d.sample.Size(); float64(d.sample.Chosen()) > maxChosen*float64(n) {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%d of %d traces were chosen after they had ended (tail sampling): slow and failed requests are more frequent among them than among all",
			d.sample.Chosen(), n))
	}
}

// maxChosen is the share of traces chosen by their duration or errors from which a
// warning is given.
const maxChosen = .1
