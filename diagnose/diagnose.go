// Package diagnose says where added latency and failures come from: evidence in,
// ranked findings out. It reads no clock and does no I/O.
//
// A diagnosis goes through the packages below this one in order. Package detect
// finds the entries that left their baseline, in series that metrics give
// (package evidence) or that a sample of traces gives (package sample). Packages
// split and sample divide what was added into parts. Package compare tests the
// traces of two times against each other. The verdict is made in this package, by
// one set of rules, from whatever evidence there is. Package explain adds what
// single traces tell.
package diagnose

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/diagnose/detect"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/diagnose/split"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// Options configures a diagnosis. The zero value is what `tenhop diagnose` uses.
type Options struct {
	Entry        string        // only this edge operation; the one with the most added time when empty
	MinBaseline  time.Duration // shortest baseline of a sure verdict; 60 s when zero
	MinShare     float64       // least share of the added time of a finding; 0.03 when zero
	BaselineFrom time.Time     // a baseline that the caller chose; found by levels when zero
	BaselineTo   time.Time
}

const (
	defaultMinBaseline = time.Minute
	defaultMinShare    = .03
)

// Evidence is what is known of a stretch of time.
type Evidence struct {
	// Metrics holds the series of entries, hops and calls.
	Metrics evidence.Metrics

	// Sample holds requests measured from their traces. When it is set, it is used
	// in place of Metrics.
	Sample *sample.Sample

	// Comparison, when set, compares the traces of an ordinary time with those of
	// now. It decides the verdict on latency: calls that are no longer made, or less
	// work than before, do not show in how long an entry takes.
	Comparison *compare.Comparison
}

// Diagnosis is a diagnosis that further evidence can be added to.
type Diagnosis struct {
	result  result.Result
	grounds grounds
	opt     Options
	sample  *sample.Sample // nil when metrics are the evidence
}

// Diagnose finds the entry that left its baseline and splits what was added to its
// mean over hops, dependencies, links and queues. Entries that customers wait for
// come before what happens behind a queue; then the entry comes first whose
// requests lose the most time altogether.
func Diagnose(ev Evidence, opt Options) *Diagnosis {
	opt.MinBaseline = cmp.Or(opt.MinBaseline, defaultMinBaseline)
	opt.MinShare = cmp.Or(opt.MinShare, defaultMinShare)
	d := &Diagnosis{opt: opt, sample: ev.Sample}
	d.grounds = grounds{comparison: ev.Comparison, red: ev.Metrics.RED}
	m := ev.Metrics
	var by splitter = byMetrics{m, opt.MinShare}
	if ev.Sample != nil {
		m = ev.Sample.Series()
		by = bySample{ev.Sample, m, opt.MinShare}
	}
	slower, failing := d.detect(m)
	if len(slower) > 0 {
		d.slower(m, by, slower)
	}
	if len(failing) > 0 {
		d.failing(m, by, slices.MaxFunc(failing, func(a, b evidence.Change) int { return cmp.Compare(a.Lost(), b.Lost()) }))
	}
	return d
}

// Result returns the result, with the verdict of all evidence added so far.
func (d *Diagnosis) Result() result.Result {
	r := d.result
	r.Findings = slices.Clone(r.Findings)
	r.Verdict, r.Why = d.grounds.with(r.Findings).decide()
	r.DecidedBy = d.grounds.decidedBy
	if d.grounds.comparison != nil {
		r.Findings = arrange(r.Findings, *d.grounds.comparison, r.Verdict)
	}
	r.Renumber()
	return r
}

// splitter divides what was added between the two windows of a change.
type splitter interface {
	latency(evidence.Change) []result.Finding
	failures(evidence.Change) []result.Finding
}

type byMetrics struct {
	m        evidence.Metrics
	minShare float64
}

func (b byMetrics) latency(c evidence.Change) []result.Finding {
	return split.Latency(b.m, c, b.minShare)
}

func (b byMetrics) failures(c evidence.Change) []result.Finding {
	return split.Failures(b.m, c, b.minShare)
}

type bySample struct {
	s        *sample.Sample
	m        evidence.Metrics
	minShare float64
}

func (b bySample) latency(c evidence.Change) []result.Finding {
	return b.s.Latency(b.s.During(c.Entry.Entry, c.Baseline.Ranges(b.m)), b.s.During(c.Entry.Entry, c.Now.Ranges(b.m)), b.minShare)
}

func (b bySample) failures(c evidence.Change) []result.Finding {
	return b.s.Failures(b.s.During(c.Entry.Entry, c.Now.Ranges(b.m)), &result.Failing{Baseline: stats.Round(c.BaselineMean()), Now: stats.Round(c.NowMean())})
}

// detect returns the entries that are slower and those of which more requests
// fail. Without any, the result describes the busiest entry.
func (d *Diagnosis) detect(m evidence.Metrics) (slower, failing []evidence.Change) {
	all := result.Range{From: m.Start, To: m.At(m.Steps)}
	d.result = result.Result{Statistic: "mean", OtherEntries: []result.Entry{}, Findings: []result.Finding{}, Sources: []result.Source{}, Window: all, Baseline: all}
	g := &d.grounds
	g.entry, g.needed, g.step, g.seen, g.decidedBy = d.opt.Entry, d.opt.MinBaseline, m.Step, all.To.Sub(all.From), result.DecidedByMetrics
	if d.sample != nil || g.comparison != nil {
		g.decidedBy = result.DecidedByTraces
	}
	given := detect.Baseline{From: d.opt.BaselineFrom, To: d.opt.BaselineTo}
	for _, e := range m.Entries {
		if d.opt.Entry != "" && e.Operation != d.opt.Entry {
			continue
		}
		if c, rose := detect.OfFailures(m, e, given); rose {
			failing = append(failing, c)
		}
		l := detect.OfLatency(m, e, given)
		requests := evidence.Steps(0, m.Steps).Sum(e.Count)
		if requests > 0 {
			d.result.Looked++
		}
		if l.Raised {
			slower = append(slower, l.Change)
		} else if len(slower) == 0 && e.Flow != "async" && (requests > g.requests || !g.known) {
			g.known, g.requests, g.incomparable = true, requests, l.Why
			l.Describe(m, &d.result)
			g.seen = d.result.Baseline.To.Sub(d.result.Baseline.From)
		}
	}
	return slower, failing
}

// slower describes the entry that matters most of those that are slower. An entry
// of which nothing sure can be said does not hide one whose added time is
// located.
func (d *Diagnosis) slower(m evidence.Metrics, by splitter, changes []evidence.Change) {
	slices.SortStableFunc(changes, func(a, b evidence.Change) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(b.Lost(), a.Lost()))
	})
	d.grounds.raised = true
	quiet := *d
	chosen := 0
	for i, c := range changes {
		next := quiet
		c.Describe(m, &next.result)
		next.grounds.baseline = c.BaselineLength(m)
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

// order is 0 for entries that customers wait for and 1 behind a queue.
func order(c evidence.Change) int {
	if c.Entry.Flow == "async" {
		return 1
	}
	return 0
}

// failing adds the failures of an entry to the result. They decide the verdict
// unless requests merely time out at a hop that is slow.
func (d *Diagnosis) failing(m evidence.Metrics, by splitter, c evidence.Change) {
	found := by.failures(c)
	f := result.Failing{Baseline: stats.Round(c.BaselineMean()), Now: stats.Round(c.NowMean())}
	if len(found) > 0 {
		f.Type = found[0].Errors.Type
	}
	d.result.Errors = &f
	slow := d.grounds.raised && d.result.Entry.Operation == c.Entry.Operation && (len(d.result.Findings) > 0 || d.grounds.red)
	if slow && (len(found) == 0 || timedOut(f.Type)) {
		d.result.Findings = append(d.result.Findings, found...)
		return
	}
	if !slow {
		d.result.Findings = nil
	}
	d.result.Findings = append(found, d.result.Findings...)
	d.grounds.failing, d.grounds.failuresLocated, d.grounds.baseline = true, len(found) > 0, c.BaselineLength(m)
	for _, e := range m.Entries {
		if e.Operation == c.Entry.Operation && e.Flow == "" {
			evidence.Change{Entry: e, Now: c.Now, Baseline: c.Baseline}.Describe(m, &d.result)
		}
	}
}

// timedOut reports whether a type of error says that somebody waited too long: the
// failure of a slow hop rather than of a broken one.
func timedOut(kind string) bool {
	k := strings.ToLower(kind)
	return strings.Contains(k, "timeout") || strings.Contains(k, "deadline") || k == "504" || k == "408" || k == "4"
}
