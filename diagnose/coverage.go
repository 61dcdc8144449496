package diagnose

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/detect"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// question is the age from which a spike must be visible for the verdict none.
const question = 15 * time.Second

// maxUnseen is the growth of the mean, as a multiple of it, that may go unnoticed over
// the question for the verdict none.
const maxUnseen = 1.0

// cover notes what the evidence on an entry covers of the time just before now, and the
// reason why a spike might not show in it.
func (d *Diagnosis) cover(m evidence.Metrics, l detect.Latency) {
	now := d.evidence.Now
	if now.IsZero() {
		return
	}
	e := l.Entry
	sum, count := e.Sum, e.Count
	if e.LevelCount != nil {
		sum, count = e.LevelSum, e.LevelCount
	}
	newest, requests := m.At(m.Steps), 0.0
	if !m.Newest.IsZero() && m.Newest.Before(newest) {
		newest = m.Newest // no target has answered since
	}
	var steps evidence.Window
	for i, n := range count {
		if n > 0 && m.At(i+1).After(newest) && !m.At(i).After(now) {
			newest = m.At(i + 1)
		}
		if m.At(i + 1).After(now.Add(-question)) {
			requests += n
			steps = append(steps, i)
		}
	}
	age := max(now.Sub(newest), 0).Round(time.Second)
	recent := result.Recent{Seconds: question.Seconds(), AgeS: age.Seconds()}
	what := "scrape"
	if d.sample == nil {
		recent.Requests = int(math.Round(requests))
	} else {
		recent.Traces = int(math.Round(requests))
		what = "complete trace"
	}
	d.result.Recent = &recent
	until := fmt.Sprintf("until %s, %s is at its baseline", newest.Format("15:04:05"), e.Operation)
	switch blind := (age + m.Step).Round(time.Second); {
	case 2*m.Step > question:
		d.grounds.unseen = fmt.Sprintf("with one scrape every %s, a spike of the last %s would not show; %s", m.Step, age+2*m.Step, until)
	case blind > question:
		d.grounds.unseen = fmt.Sprintf("the newest %s is %s old, so a spike of the last %s would not show; %s", what, age, blind, until)
	case requests < stats.MinRequests && d.sample == nil:
		d.grounds.unseen = fmt.Sprintf("%.0f requests in the last %.0f s are too few to show a spike; %d are needed; before, %s is at its baseline",
			requests, question.Seconds(), stats.MinRequests, e.Operation)
	case requests < stats.MinRequests:
		d.grounds.unseen = fmt.Sprintf("%.0f complete traces of the last %.0f s are too few to show a spike; %d are needed; before, %s is at its baseline",
			requests, question.Seconds(), stats.MinRequests, e.Operation)
	default:
		sum, count = slices.Clone(sum), slices.Clone(count)
		for _, i := range l.Past { // what is over is no noise
			sum[i], count[i] = 0, 0
		}
		mean, least := stats.Detectable(sum, count, steps)
		if least > maxUnseen*mean {
			d.grounds.unseen = fmt.Sprintf("%s varies so much that less than %.0f ms more would not show within %.0f s",
				e.Operation, 1000*least, question.Seconds())
		}
	}
}
