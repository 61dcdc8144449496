package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// Rules page by rates over 15 s, so what an alert is about began earlier than the alert.
const (
	alertRate  = 15 * time.Second
	alertShare = .3 // share of the added time from which the rules name a place
)

// heed takes the firing alerts as evidence. A place that an alert names and that has most
// of what was added in the time of the alert is a spike. Otherwise the verdict is not none
// while an alert names a place, and a contradiction is told.
func (d *Diagnosis) heed(m evidence.Metrics, by splitter) {
	if d.sample != nil {
		return
	}
	for _, a := range m.Alerts {
		if !places(m)[a.Place] {
			continue
		}
		verdict := d.Result().Verdict
		named := slices.ContainsFunc(d.result.Findings, func(f result.Finding) bool { return f.Hop == a.Place || f.Target == a.Place })
		suspected := verdict == result.Unsure && d.grounds.doubt != ""
		switch {
		case named && !suspected:
		case verdict == result.Spike || verdict == result.Errors:
			d.result.Warnings = append(d.result.Warnings, fmt.Sprintf("the alert %s names %s, which is no finding", a.Name, a.Place))
		case d.confirm(m, by, a), named:
		default:
			d.contradict(a)
		}
	}
}

// places returns the services and dependencies that the metrics know.
func places(m evidence.Metrics) map[string]bool {
	out := map[string]bool{}
	for _, h := range m.Hops {
		out[h.Service] = true
	}
	for _, w := range m.Waits {
		out[w.Dependency] = true
	}
	for _, p := range m.Processes {
		out[p.Service] = true
	}
	for _, c := range m.Calls {
		out[c.Service] = true
	}
	for _, n := range m.Nodes {
		out[n.Service] = true
	}
	return out
}

// confirm looks for the entry whose mean has grown in the time of an alert by what the
// alert's place has added, and makes it the result.
func (d *Diagnosis) confirm(m evidence.Metrics, by splitter, a evidence.Alert) bool {
	since := a.Since
	if latest := m.At(m.Steps).Add(-alertRate); since.IsZero() || since.After(latest) {
		since = latest
	}
	from := int(since.Add(-alertRate).Sub(m.Start) / m.Step)
	if from < 1 || from >= m.Steps {
		return false
	}
	var best *evidence.Change
	var findings []result.Finding
	for _, e := range m.Entries {
		c := evidence.Change{Entry: e, Now: evidence.Steps(from, m.Steps), Baseline: evidence.Steps(0, from)}
		if e.Flow == "async" || d.opt.Entry != "" && e.Operation != d.opt.Entry || !c.Grew() {
			continue
		}
		last := int((alertRate + m.Step - 1) / m.Step)
		now := evidence.Change{Entry: e, Now: evidence.Steps(max(from, m.Steps-last), m.Steps), Baseline: c.Baseline}
		if now.Now.Sum(e.Count) > 0 && !now.Grew() {
			continue // it is over, and the alert is not yet
		}
		found := by.latency(c)
		if len(found) == 0 || found[0].Hop != a.Place && found[0].Target != a.Place || found[0].Share < alertShare {
			continue
		}
		if best == nil || c.Lost() > best.Lost() {
			best, findings = &c, found
		}
	}
	if best == nil {
		return false
	}
	d.raise(m, *best, findings, fmt.Sprintf("the alert %s fires; the mean alone has grown for too short a time, or in too few requests, to be sure", a.Name))
	return true
}

// raise makes a change that other evidence confirms the result, with the reason. What was in
// doubt about another change is of no account.
func (d *Diagnosis) raise(m evidence.Metrics, c evidence.Change, found []result.Finding, why string) {
	c.Describe(m, &d.result)
	d.result.Findings, d.result.Past = found, nil
	d.grounds.raised, d.grounds.baseline, d.grounds.minority = true, c.BaselineLength(m), why
	d.grounds.unsplit, d.grounds.contained, d.grounds.outweighed = "", "", ""
}

// contradict notes an alert that nothing else confirms.
func (d *Diagnosis) contradict(a evidence.Alert) {
	what := strings.TrimSpace(a.Name + " names " + a.Place)
	if a.Instance != "" {
		what += " (" + a.Instance + ")"
	}
	if !a.Since.IsZero() {
		what += " since " + a.Since.Format("15:04:05")
	}
	if d.grounds.alert != "" {
		return
	}
	d.grounds.alert = fmt.Sprintf("the alert %s, and the metrics of %s do not show it", what, d.result.Entry.Operation)
	if d.grounds.ended != "" {
		d.grounds.alert = fmt.Sprintf("the alert %s; %s", what, d.grounds.ended)
	}
	d.result.Findings = append(d.result.Findings, result.Finding{Hop: a.Place, Kind: result.KindSelf, Evidence: "the alert " + what,
		Attributes: []result.Attribute{}, Exemplars: []string{}})
}
