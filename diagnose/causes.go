package diagnose

import (
	"slices"

	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// minOtherShare is the minimum share of the added time of another entry for a finding
// of that entry.
const minOtherShare = .2

// maxOthers is the number of other entries whose added time is split.
const maxOthers = 10

// others adds the findings of the other entries that have left their baseline. A hop
// that is slow in requests of two entries is listed once. A second cause that only
// requests of another entry meet is a finding that names that entry.
func (d *Diagnosis) others(by splitter, changes []evidence.Change) {
	r := &d.result
	for _, c := range changes[:min(len(changes), maxOthers)] {
		if c.Entry.Operation == r.Entry.Operation && c.Entry.Service == r.Entry.Service || order(c) > 0 {
			continue
		}
		found := by.latency(c)
		if spread(found) != "" {
			continue
		}
		for _, f := range found {
			if (f.Share < minOtherShare && f.OffPath == nil) || f.Kind == result.KindMix || slices.ContainsFunc(r.Findings, func(have result.Finding) bool {
				return have.Hop == f.Hop && have.Kind == f.Kind && have.Target == f.Target
			}) {
				continue
			}
			f.Entry = c.Entry.Operation
			r.Findings = append(r.Findings, f)
		}
	}
}

// lostConcurrency reports whether a finding names calls that surely follow each other
// instead of overlapping.
func lostConcurrency(found []result.Finding) bool {
	return slices.ContainsFunc(found, func(f result.Finding) bool {
		return f.Kind == result.KindConcurrency && f.Cause != nil && f.Cause.Sure
	})
}

// queued reports whether a suspect is the queue that a finding of lost concurrency
// names: the link between its ends, or the callee in which calls wait.
func queued(found []result.Finding, s compare.Suspect) bool {
	return slices.ContainsFunc(found, func(f result.Finding) bool {
		if f.Kind != result.KindConcurrency || f.Target == "" {
			return false
		}
		link := s.Kind == compare.Link && (s.Service == f.Hop && s.Target == f.Target || s.Service == f.Target && s.Target == f.Hop)
		return link || s.Kind == compare.Self && !f.Cause.Sure && (s.Service == f.Target || s.Service == f.Hop)
	})
}

// Thresholds of what traces tell about the order and the number of calls, beside metrics.
const (
	minStructure = .5  // share of the added time
	minBeside    = .15 // the same, of calls that follow each other beside another fault
	minMoreCalls = 1.3 // calls per message of the caller in the metrics, now to before
)

// structure puts a finding of traces first that metrics cannot tell: calls that used to
// overlap follow each other, or there are more of them. The findings of the metrics at
// both ends of these calls become part of it. Calls that follow each other and have a smaller
// part of the added time are a finding beside the others.
func (d *Diagnosis) structure(s *sample.Sample, before, now sample.Requests) {
	r := &d.result
	if before.Len() < stats.MinRequests || now.Len() < stats.MinRequests || len(r.Findings) > 0 && r.Findings[0].Kind == result.KindMix {
		return
	}
	for _, f := range s.Latency(before, now, d.opt.MinShare) {
		beside := f.Kind == result.KindConcurrency && f.Share < minStructure
		if f.Kind != result.KindConcurrency && f.Kind != result.KindCalls || f.Cause == nil || f.Share < minStructure && !beside ||
			beside && (f.Share < minBeside || !f.Cause.Sure) || f.Kind == result.KindCalls && (!f.Cause.Sure || !d.moreCalls(f)) {
			continue
		}
		// Times are those of the metrics, which know all requests.
		share := min(f.Share, 1)
		f.AddedMS = stats.Round(share * r.AddedMS)
		f.NowMS, f.CounterfactualMS = stats.Round(f.BaselineMS+f.AddedMS), stats.Round(r.NowMS-f.AddedMS)
		if beside {
			r.Findings = append(r.Findings, f)
			continue
		}
		r.Findings = slices.DeleteFunc(r.Findings, func(have result.Finding) bool {
			ends := []string{f.Hop, f.Target}
			return have.Entry == "" && have.Cause == nil && have.Kind != result.KindErrors && slices.Contains(ends, have.Hop) &&
				(have.Target == "" || slices.Contains(ends, have.Target))
		})
		r.Findings = slices.Insert(r.Findings, 0, f)
		return
	}
}

// moreCalls reports whether the metrics, too, have more calls between the ends of a finding
// for each message of the caller. It reports true if they do not count the calls.
func (d *Diagnosis) moreCalls(f result.Finding) bool {
	m := d.evidence.Metrics
	was, is := within(m, d.result.BaselineRanges()...), within(m, d.result.Window)
	served := map[string][]float64{}
	for _, c := range m.Calls {
		if c.Dependency == "" {
			served[c.Service] = evidence.Plus(served[c.Service], c.Count)
		}
	}
	known, before, now := false, 0.0, 0.0
	for _, c := range m.Calls {
		if c.Service == f.Hop && c.Dependency == f.Target || c.Service == f.Target && c.Dependency == f.Hop {
			if all := served[c.Service]; was.Sum(all) > 0 && is.Sum(all) > 0 {
				known, before, now = true, before+was.Sum(c.Count)/was.Sum(all), now+is.Sum(c.Count)/is.Sum(all)
			}
		}
	}
	return !known || now >= minMoreCalls*before
}
