// Package diagnose locates the sources of added latency and failures. It takes
// evidence and returns ranked findings. It reads no clock and does no I/O.
//
// Package detect finds the entries that have left their baseline. Its input is the
// series of package evidence, which come from metrics or from a sample of traces
// (package sample). Packages split and sample divide the added time between hops,
// dependencies, links and queues. Package compare tests the traces of two windows
// against each other. This package makes the verdict, by one set of rules for all
// kinds of evidence. Package explain adds details from individual traces.
package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/diagnose/detect"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/diagnose/split"
	"github.com/tenhop/tenhop/diagnose/stall"
	"github.com/tenhop/tenhop/diagnose/stats"
	"github.com/tenhop/tenhop/trace"
)

// Options configures a diagnosis. The zero value holds the defaults of `tenhop
// diagnose`.
type Options struct {
	Entry       string        // operation of the only entry to diagnose; all entries if empty
	MinBaseline time.Duration // minimum baseline for a verdict other than unsure; 60 s if zero
	MinShare    float64       // minimum share of the added time for a finding; 0.03 if zero

	// BaselineFrom and BaselineTo bound a baseline chosen by the caller. If they are
	// zero, the baseline is derived from the levels of the series.
	BaselineFrom, BaselineTo time.Time
}

const (
	defaultMinBaseline = time.Minute
	defaultMinShare    = .03
)

// Evidence is the input of a diagnosis. Any field may be zero.
type Evidence struct {
	// Metrics holds the series of entries, hops and calls.
	Metrics evidence.Metrics

	// Sample holds requests measured from their traces. If set, it replaces
	// Metrics.
	Sample *sample.Sample

	// Doubt is the reason why Sample does not tell where time is spent, or "". A spike is
	// unsure then.
	Doubt string

	// Comparison is the comparison of the traces of two windows. If set, it decides
	// the verdict on latency, because a missing call or an early return need not
	// change the entry's duration.
	Comparison *compare.Comparison

	// Now is the moment for which a verdict is wanted. The verdict is none only if the
	// evidence could have shown a spike shortly before. If it is zero, the end of the
	// evidence is that moment.
	Now time.Time
}

// Diagnosis is a diagnosis in progress. AddTraces and ExplainSample add evidence to
// it. It is not safe for concurrent use.
type Diagnosis struct {
	result   result.Result
	grounds  grounds
	opt      Options
	evidence Evidence
	sample   *sample.Sample // nil if the evidence is metrics
	until    time.Time      // end of the evidence
	ceased   string         // why another entry is diagnosed than the one that was asked for, or ""

	doubtful               *evidence.Change       // of the entry that may be slower, or of which a minority may be
	waited                 []evidence.Change      // of entries that callers wait for and that may be slower
	past                   *past                  // the last spike that is over
	tails                  map[string]detect.Tail // of entries of which a minority of requests is slower, by operation
	slowLogs, ordinaryLogs LogTraces              // of the traces that explain the result
	before, now            []trace.Trace          // of the sample's two windows
}

// Diagnose finds the entry that has left its baseline and divides its added time
// between hops, dependencies, links and queues. Of several entries it chooses the one
// whose requests lost the most time in total and whose added time is located.
// Asynchronous flows come after all entries that a caller waits for.
//
// It also locates the failures of the entry with the most added failures. They decide
// the verdict unless the requests time out at a slow hop.
func Diagnose(ev Evidence, opt Options) *Diagnosis {
	opt.MinBaseline = cmp.Or(opt.MinBaseline, defaultMinBaseline)
	opt.MinShare = cmp.Or(opt.MinShare, defaultMinShare)
	d := &Diagnosis{opt: opt, evidence: ev, sample: ev.Sample}
	d.grounds = grounds{comparison: ev.Comparison, red: ev.Metrics.RED, unreadable: ev.Metrics.Unreadable, unsplit: ev.Doubt}
	m := ev.Metrics
	var by splitter = byMetrics{m, opt.MinShare}
	if ev.Sample != nil {
		m = ev.Sample.Series()
		by = bySample{ev.Sample, m, opt.MinShare}
	}
	if ev.Sample == nil {
		d.elsewhere(m)
	}
	slower, failing := d.detect(m)
	if d.ceased != "" {
		d.result.Warnings = append(d.result.Warnings, d.ceased)
	}
	if len(slower) > 0 {
		d.slower(m, by, slower)
		d.others(by, slower)
	}
	if len(slower) == 0 {
		d.suspect(m, by)
	}
	if len(failing) > 0 {
		worst := slices.MaxFunc(failing, func(a, b evidence.Change) int { return cmp.Compare(a.Lost(), b.Lost()) })
		d.failing(m, by, worst)
	}
	if ev.Sample == nil {
		d.stalled(m, by)
	}
	d.tellPast(m, by)
	d.heed(m, by)
	d.aged(m)
	return d
}

// Result returns the result of all evidence added so far.
func (d *Diagnosis) Result() result.Result {
	r := d.result
	r.Findings = append([]result.Finding{}, r.Findings...) // never nil
	g := d.grounds.with(r.Findings)
	r.Verdict, r.Why = g.decide()
	r.Spread = r.Verdict == result.Unsure && g.spread != "" && r.Why == g.spread && g.outweighed == ""
	r.Chance = r.Verdict == result.Unsure && d.chance(g, r.Why)
	r.DecidedBy = d.grounds.decidedBy
	if d.grounds.comparison != nil {
		r.Findings = arrange(r, *d.grounds.comparison)
		if d.sample != nil {
			r.Findings = d.sample.CausesFirst(r.Findings)
		}
		d.explainCompared(r.Findings)
	}
	r.Renumber()
	return r
}

// splitter divides the growth between the two windows of a change into findings.
type splitter interface {
	latency(evidence.Change) []result.Finding
	failures(evidence.Change) []result.Finding
}

// byMetrics is a splitter that uses package split.
type byMetrics struct {
	m        evidence.Metrics
	minShare float64
}

func (b byMetrics) latency(c evidence.Change) []result.Finding {
	return stall.Starved(b.m, c, split.Latency(b.m, c, b.minShare))
}

func (b byMetrics) failures(c evidence.Change) []result.Finding {
	return split.Failures(b.m, c, b.minShare)
}

// bySample is a splitter that uses package sample.
type bySample struct {
	s        *sample.Sample
	m        evidence.Metrics
	minShare float64
}

func (b bySample) latency(c evidence.Change) []result.Finding {
	before := b.s.During(c.Entry.Entry, c.Baseline.Ranges(b.m))
	now := b.s.During(c.Entry.Entry, c.Now.Ranges(b.m))
	return b.s.Latency(before, now, b.minShare)
}

func (b bySample) failures(c evidence.Change) []result.Finding {
	now := b.s.During(c.Entry.Entry, c.Now.Ranges(b.m))
	return b.s.Failures(now, &result.Failing{Baseline: stats.Round(c.BaselineMean()), Now: stats.Round(c.NowMean())})
}

// detect returns the entries whose latency, and those whose failure ratio, has left
// the baseline. If there are none, the result describes the busiest entry.
func (d *Diagnosis) detect(m evidence.Metrics) (slower, failing []evidence.Change) {
	all := result.Range{From: m.Start, To: m.At(m.Steps)}
	d.until = all.To
	d.result = result.Result{Statistic: "mean", OtherEntries: []result.Entry{}, Findings: []result.Finding{},
		Sources: []result.Source{}, Window: all, Baseline: all}
	g := &d.grounds
	g.entry, g.needed, g.step = d.opt.Entry, d.opt.MinBaseline, m.Step
	g.seen, g.decidedBy = all.To.Sub(all.From), result.DecidedByMetrics
	if d.sample != nil || g.comparison != nil {
		g.decidedBy = result.DecidedByTraces
	}
	if d.sample == nil {
		d.result.ResolutionS = m.Step.Seconds()
	}
	var busiest detect.Latency
	var doubtful *detect.Latency
	given := detect.Baseline{From: d.opt.BaselineFrom, To: d.opt.BaselineTo}
	for _, e := range m.Entries {
		if d.opt.Entry != "" && e.Operation != d.opt.Entry {
			continue
		}
		switch f := detect.OfFailures(m, e, given); {
		case f.Rose:
			failing = append(failing, f.Change)
		case f.Doubt:
			g.failDoubt = fmt.Sprintf("%.0f %% of the requests of %s failed in the last %s, %.1f %% before: too short a time to be sure",
				100*f.NowMean(), e.Operation, time.Duration(len(f.Now))*m.Step, 100*f.BaselineMean())
		}
		l := detect.OfLatency(m, e, given)
		if l.Raised && !given.Given() && detect.Usual(m, l.Change) {
			l.Raised, l.Doubt = false, true
		}
		tail := d.tail(m, e, l)
		requests := evidence.Steps(0, m.Steps).Sum(e.Count)
		if requests > 0 {
			d.result.Looked++
		}
		d.notePast(m, l, tail)
		if e.Flow != "async" && !l.Raised && l.Doubt {
			d.waited = append(d.waited, l.Change)
		}
		switch {
		case l.Raised:
			slower = append(slower, l.Change)
		case tail.Sure && !tail.Over:
			slower = append(slower, tail.Change)
		case e.Flow == "async":
		case l.Doubt:
			if doubtful == nil || l.Lost() > doubtful.Lost() {
				doubtful = &l
			}
			fallthrough
		case len(slower) == 0 && (requests > g.requests || !g.known):
			if requests > g.requests || !g.known {
				busiest, g.requests, g.incomparable = l, requests, l.Why
			}
			g.known = true
		}
	}
	if g.known && len(slower) == 0 {
		d.describe(m, busiest, doubtful)
	}
	if doubtful != nil && len(slower) > 0 {
		lost := 0.0
		for _, c := range slower {
			lost = max(lost, c.Lost())
		}
		if doubtful.Lost() > outweighs*lost {
			g.outweighed = doubtOf(m, *doubtful)
		}
	}
	return slower, failing
}

// describe describes an entry that has not left its baseline: a doubtful one or, if
// there is none, the busiest.
func (d *Diagnosis) describe(m evidence.Metrics, busiest detect.Latency, doubtful *detect.Latency) {
	d.cover(m, busiest)
	l := busiest
	if doubtful != nil {
		l = *doubtful
	}
	l.Describe(m, &d.result)
	d.grounds.seen = d.result.Baseline.To.Sub(d.result.Baseline.From)
	if doubtful != nil {
		d.grounds.doubt, d.doubtful = doubtOf(m, l), &l.Change
	}
}

// slower describes one of the slower entries: the first, in the order that Diagnose
// documents, whose verdict is spike. If the verdict on all of them is unsure, it
// describes the first one.
func (d *Diagnosis) slower(m evidence.Metrics, by splitter, changes []evidence.Change) {
	slices.SortStableFunc(changes, func(a, b evidence.Change) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(b.Lost(), a.Lost()))
	})
	d.grounds.raised = true
	quiet := *d
	chosen := 0
	for i := range changes {
		next := quiet
		c, unclear := d.again(m, by, changes[i])
		changes[i] = c
		c.Describe(m, &next.result)
		next.minority(m, c)
		next.grounds.baseline = c.BaselineLength(m)
		next.grounds.unsplit, next.grounds.contained = cmp.Or(next.grounds.unsplit, unclear), d.contained(changes[:i], c)
		next.result.Findings = append([]result.Finding{}, by.latency(c)...)
		verdict, _ := next.grounds.with(next.result.Findings).decideRaised()
		sure := verdict == result.Spike
		if i == 0 || sure {
			chosen, *d = i, next
		}
		if sure {
			break
		}
	}
	for i, c := range changes {
		if i != chosen {
			e := c.Entry.Entry
			e.AddedMS = c.Added() * 1000
			d.result.OtherEntries = append(d.result.OtherEntries, e)
		}
	}
}

// mostContained is the part of the time that an asynchronous flow added from which the
// requests that began it may be the reason. It was set with recorded drills in sight.
const mostContained = .5

// contained returns why the change of an asynchronous flow may be that of the requests that
// begin it, whose time is part of its own, or "". before are the changes that are not sure.
func (d *Diagnosis) contained(before []evidence.Change, c evidence.Change) string {
	if c.Entry.Flow != "async" {
		return ""
	}
	for _, r := range slices.Concat(before, d.waited) {
		if r.Entry.Flow != "async" && r.Entry.Operation == c.Entry.Operation && r.Added() >= mostContained*c.Added() {
			return fmt.Sprintf("%s itself took %.0f ms on average, %.0f ms before: too little or too short a time to tell whether the rest of the flow is slower, too",
				c.Entry.Operation, 1000*r.NowMean(), 1000*r.BaselineMean())
		}
	}
	return ""
}

// order returns 1 for an asynchronous flow and 0 for any other entry.
func order(c evidence.Change) int {
	if c.Entry.Flow == "async" {
		return 1
	}
	return 0
}

// failing adds the failures of an entry to the result. They decide the verdict unless
// the requests time out at a slow hop, or their baseline is too short and a located
// spike has a long one.
func (d *Diagnosis) failing(m evidence.Metrics, by splitter, c evidence.Change) {
	found := by.failures(c)
	f := result.Failing{Baseline: stats.Round(c.BaselineMean()), Now: stats.Round(c.NowMean())}
	if len(found) > 0 {
		f.Type = found[0].Errors.Type
	}
	if len(c.Now) > 0 {
		f.Window = &result.Range{From: m.At(c.Now[0]), To: m.At(c.Now[len(c.Now)-1] + 1)}
	}
	d.result.Errors = &f
	same := d.result.Entry.Operation == c.Entry.Operation
	if verdict, _ := d.grounds.with(d.result.Findings).decideRaised(); d.grounds.raised && verdict == result.Spike && c.BaselineLength(m) < d.grounds.needed {
		if same {
			d.result.Findings = append(d.result.Findings, found...)
		} else {
			d.result.Errors = nil
		}
		return
	}
	slow := d.grounds.raised && same && (len(d.result.Findings) > 0 || d.grounds.red)
	if slow && (len(found) == 0 || timedOut(f.Type)) {
		d.result.Findings = append(d.result.Findings, found...)
		return
	}
	if !slow {
		d.result.Findings = nil
	}
	d.result.Findings = append(found, d.result.Findings...)
	d.grounds.failing, d.grounds.baseline = true, c.BaselineLength(m)
	for _, e := range m.Entries {
		if !slow && e.Operation == c.Entry.Operation && e.Flow == "" {
			evidence.Change{Entry: e, Now: c.Now, Baseline: c.Baseline}.Describe(m, &d.result)
		}
	}
}

// timedOut reports whether an error.type stands for a timeout, which a slow hop
// causes: HTTP 408 and 504, gRPC DEADLINE_EXCEEDED (4).
func timedOut(kind string) bool {
	k := strings.ToLower(kind)
	return strings.Contains(k, "timeout") || strings.Contains(k, "deadline") || k == "504" || k == "408" || k == "4"
}
