package diagnose

import (
	"slices"

	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
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
