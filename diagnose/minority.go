package diagnose

import (
	"fmt"
	"math"

	"github.com/tenhop/tenhop/diagnose/detect"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// tail looks for a minority of slower requests of an entry, and notes it.
func (d *Diagnosis) tail(m evidence.Metrics, e evidence.EntrySeries, l detect.Latency) detect.Tail {
	if d.sample != nil || !d.opt.BaselineFrom.IsZero() || e.Flow == "async" {
		return detect.Tail{}
	}
	t := detect.OfTail(m, e)
	// All requests of one time are slower, and that is over: the means tell it.
	if t.Share() > mostMinority && len(t.Phases) == 0 {
		return detect.Tail{}
	}
	if t.Doubt && !t.Over {
		d.grounds.tailDoubt = fmt.Sprintf("%s: too few to be sure", minority(t))
		d.doubtful = &t.Change
	}
	// What was over before the level was raised says nothing of it.
	if t.Sure && (!t.Over || l.Raised && len(l.Now) > 0 && len(t.Now) > 0 && t.Now[len(t.Now)-1] >= l.Now[0]) {
		if d.tails == nil {
			d.tails = map[string]detect.Tail{}
		}
		d.tails[e.Operation] = t
	}
	return t
}

// mostMinority is the largest share of requests that is a minority.
const mostMinority = .6

// minority describes the minority of slow requests of the entry of a change, if there is one.
func (d *Diagnosis) minority(m evidence.Metrics, c evidence.Change) {
	t, ok := d.tails[c.Entry.Operation]
	if !ok || c.Entry.Flow == "async" {
		return
	}
	out := result.Minority{Share: stats.Round(t.Share()), OverMS: stats.Round(1000 * t.Border), Slow: int(math.Round(t.Slow)),
		Requests: int(math.Round(t.Requests)), Usual: stats.Round(t.Usual)}
	for _, p := range t.Phases {
		r := p.Ranges(m)
		out.Phases = append(out.Phases, result.Range{From: r[0].From, To: r[len(r)-1].To})
	}
	d.result.Minority = &out
	d.grounds.minority = minority(t)
	if len(out.Phases) > 1 {
		d.grounds.minority += fmt.Sprintf(", in %d phases since %s", len(out.Phases), out.Phases[0].From.Format("15:04:05"))
	}
}

// minority describes a minority in words.
func minority(t detect.Tail) string {
	return fmt.Sprintf("%s more than %s: %.0f of %.0f", partOf(t.Share(), t.Entry.Operation), seconds(t.Border),
		t.Slow+t.Usual*t.Requests, t.Requests)
}

// partOf is the beginning of a sentence about a share of the requests of an operation, up to its verb.
func partOf(share float64, op string) string {
	switch {
	case share < .4:
		return fmt.Sprintf("1 in %.0f requests of %s takes", 1/max(share, 1e-6), op)
	case share < .95:
		return fmt.Sprintf("%.0f in 10 requests of %s take", 10*share, op)
	}
	return "nearly every request of " + op + " takes"
}

func seconds(s float64) string {
	if s < 1 {
		return fmt.Sprintf("%.0f ms", 1000*s)
	}
	return fmt.Sprintf("%.3g s", s)
}
