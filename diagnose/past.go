package diagnose

import (
	"fmt"
	"time"

	"github.com/tenhop/tenhop/diagnose/detect"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// past is a spike that is over.
type past struct {
	evidence.Change // Now holds its steps
	to              time.Time
}

// notePast keeps the spike of an entry that is over, if it ended later than those that are
// kept already, or at the same time and was larger.
func (d *Diagnosis) notePast(m evidence.Metrics, l detect.Latency, t detect.Tail) {
	if l.Raised || l.Doubt || t.Sure && !t.Over || l.Entry.Flow == "async" {
		return
	}
	c := evidence.Change{Entry: l.Entry, Now: l.Past, Baseline: l.Baseline}
	if t.Sure && t.Over && len(l.Past) == 0 {
		c = t.Change
	}
	if len(c.Now) == 0 {
		return
	}
	var before evidence.Window // the time without the spike
	for _, i := range c.Baseline {
		if i < c.Now[0] {
			before = append(before, i)
		}
	}
	if c.Baseline = before; len(before) == 0 {
		return
	}
	to := m.At(c.Now[len(c.Now)-1] + 1)
	total := func(c evidence.Change) float64 { return c.Added() * c.Now.Sum(c.Entry.Count) }
	switch {
	case d.past == nil, to.Sub(d.past.to) > sameTime, d.past.to.Sub(to) <= sameTime && total(c) > total(d.past.Change):
		d.past = &past{c, to}
	}
}

// sameTime is the time within which the spikes of two entries end together.
const sameTime = 30 * time.Second

// tellPast adds the spike that is over to a result without a present one. It may return as
// long as it ended within the time for which the verdict none speaks.
func (d *Diagnosis) tellPast(m evidence.Metrics, by splitter) {
	p := d.past
	if p == nil || d.Left() {
		return
	}
	r := result.Past{Range: result.Range{From: m.At(p.Now[0]), To: p.to}, MeanMS: stats.Round(1000 * p.NowMean()), Entry: p.Entry.Operation}
	found := by.latency(p.Change)
	if len(found) > 0 {
		f := found[0]
		r.What = fmt.Sprintf("%s %s: +%.0f ms, %.0f %% of the added time", f.Hop, f.Kind, f.AddedMS, 100*f.Share)
		if f.Target != "" {
			r.What = fmt.Sprintf("%s %s %s: +%.0f ms, %.0f %% of the added time", f.Hop, f.Kind, f.Target, f.AddedMS, 100*f.Share)
		}
	}
	d.result.Past = &r
	end := d.until
	if d.evidence.Now.After(end) && d.evidence.Now.Sub(end) < question {
		end = d.evidence.Now
	}
	if calm := end.Sub(p.to); calm < question && d.grounds.doubt == "" && d.grounds.tailDoubt == "" {
		p.Describe(m, &d.result)
		d.result.Findings = append(d.result.Findings, found...)
		d.grounds.ended = fmt.Sprintf("%s took %.0f ms on average until %s; it is at its baseline since, for too short a time to be sure that it is over",
			r.Entry, r.MeanMS, p.to.Format("15:04:05"))
	}
}
