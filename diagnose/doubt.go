package diagnose

import (
	"fmt"
	"time"

	"github.com/tenhop/tenhop/diagnose/detect"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// chance reports whether chance is the only reason for the doubt why: what else keeps a verdict
// from being sure would hold for a growth that is none, too.
func (d *Diagnosis) chance(g grounds, why string) bool {
	if why == "" || d.sample != nil || g.reconciled != nil && g.decidedBy == result.DecidedByTraces ||
		g.unsplit != "" || g.outweighed != "" || g.stale != "" {
		return false
	}
	return why == g.contained || why == g.doubt && d.doubtful != nil && d.doubtful.BaselineLength(d.evidence.Metrics) >= g.needed
}

// suspect adds what the added time of an entry that may be slower is divided into. Nobody is
// suspected if no hop has most of it.
func (d *Diagnosis) suspect(m evidence.Metrics, by splitter) {
	if d.doubtful == nil {
		return
	}
	c := *d.doubtful
	c.Now = m.Known(c.Now) // the entry is known for longer than its parts
	found := by.latency(c)
	if d.grounds.doubt == "" {
		d.doubtful.Describe(m, &d.result)
	} else if len(found) == 0 || found[0].Share < leading {
		return
	}
	d.result.Findings = append(d.result.Findings, whole(found)...)
}

// whole returns findings whose shares are at most 1 together. In the steps that all targets have
// been scraped for, the few requests that ended may have added next to nothing by themselves.
func whole(found []result.Finding) []result.Finding {
	sum := 0.0
	for _, f := range found {
		sum += f.Share
	}
	if sum <= maxWhole {
		return found
	}
	for i := range found {
		f := &found[i]
		f.Share, f.Interval = stats.Round(f.Share/sum), [2]float64{stats.Round(f.Interval[0] / sum), stats.Round(f.Interval[1] / sum)}
	}
	return found
}

// maxWhole is the sum of the shares of findings up to which they are those of one growth. Waits
// that overlap, and times that fell beside them, make it larger than 1.
const maxWhole = 2

// outweighs is the factor by which an entry that may be slower must cost customers more time
// than those that surely are, for these not to be the answer.
const outweighs = 5

// doubtOf tells why an entry may be slower.
func doubtOf(m evidence.Metrics, l detect.Latency) string {
	return fmt.Sprintf("%s took %.0f ms on average in the last %s, %.0f ms before: too little or too short a time to be sure",
		l.Entry.Operation, 1000*l.NowMean(), time.Duration(len(l.Now))*m.Step, 1000*l.BaselineMean())
}
