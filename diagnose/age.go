package diagnose

import (
	"fmt"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// maxAge is the age of the newest scrape, in steps, from which it is told.
const maxAge = 2

// aged tells the age of metrics that are older than two scrapes. Their verdict is not none.
func (d *Diagnosis) aged(m evidence.Metrics) {
	now, newest := d.evidence.Now, m.Newest
	if d.sample != nil || now.IsZero() || newest.IsZero() || m.Step <= 0 {
		return
	}
	what := "the newest scrape"
	// The edge may be stale alone.
	edge := time.Time{}
	for _, p := range m.Processes {
		if p.Service == d.result.Entry.Service && p.Answered().After(edge) {
			edge = p.Answered()
		}
	}
	if !edge.IsZero() && edge.Before(newest) {
		newest, what = edge, "the newest scrape of "+d.result.Entry.Service
	}
	age := now.Sub(newest)
	if age <= maxAge*m.Step+time.Second {
		return
	}
	text := fmt.Sprintf("%s is %.0f s old: the answer is about the time until %s", what, age.Seconds(), newest.Format("15:04:05"))
	if verdict := d.Result().Verdict; verdict == result.Spike || verdict == result.Errors {
		d.result.Warnings = append(d.result.Warnings, text)
		return
	}
	d.grounds.stale = text
}
