package diagnose

import (
	"fmt"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/detect"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// Thresholds of again.
const (
	still   = .25 // of the time that a hop added before, from which it adds it still
	leading = .5  // share of the added time from which a finding leads
)

// whileBack is the time from which slow requests that are back elsewhere are an incident of
// their own, whether or not one hop leads.
const whileBack = 16 * time.Second

// recently is the shortest time at the end of a change that is compared with the time before.
const recently = 30 * time.Second

// again returns the part of a change that is present. Slow requests that come back after a
// pause in which they were over need not be those of before, and those of a long time need
// not be of one incident: if the hop that led adds little in the last part, the change is that
// part alone. If no hop leads there yet, or it is too short to tell, again returns the reason.
func (d *Diagnosis) again(m evidence.Metrics, by splitter, c evidence.Change) (evidence.Change, string) {
	t, ok := d.tails[c.Entry.Operation]
	if !ok || c.Entry.Flow == "async" {
		return c, ""
	}
	if n := len(t.Phases); n > 1 && len(m.Known(t.Phases[n-1])) == 0 {
		if t.Resumed == 0 {
			if was := by.latency(c); len(was) > 0 && was[0].Share >= leading {
				return c, "" // what comes and goes stays where it was
			}
		}
		return c, fmt.Sprintf("slow requests of %s are back since %s: where they spend their time is not known yet",
			c.Entry.Operation, m.At(t.Phases[n-1][0]).Format("15:04:05"))
	}
	earlier, last := lastOf(m, t, c)
	if len(last) == 0 {
		return c, ""
	}
	began := m.At(last[0])
	last = m.Known(last) // the entry is known for longer than its parts
	before := evidence.Change{Entry: c.Entry, Baseline: c.Baseline, Now: earlier}
	now := evidence.Change{Entry: c.Entry, Baseline: c.Baseline, Now: last}
	if now.Now.Sum(c.Entry.Count) >= stats.MinRequests {
		was, is := by.latency(before), by.latency(now)
		switch {
		case len(was) == 0, added(is, was[0]) >= still*was[0].AddedMS:
			return c, ""
		case !now.Grew() && t.Few(last): // a stray slow request is no incident
		case len(is) > 0 && (is[0].Share >= leading || time.Duration(len(last))*m.Step >= whileBack):
			t.Phases = nil
			t.Slow, t.Requests = t.Of(last)
			d.tails[c.Entry.Operation] = t
			return now, ""
		}
	}
	if t.Resumed == 0 {
		return c, fmt.Sprintf("requests of %s have been slow since %s, but those since %s not where those before were",
			c.Entry.Operation, m.At(c.Now[0]).Format("15:04:05"), began.Format("15:04:05"))
	}
	return c, fmt.Sprintf("slow requests of %s, which were over, are back since %s: too short a time to tell whether the reason is the same",
		c.Entry.Operation, began.Format("15:04:05"))
}

// lastOf divides the steps of a change with a minority of slow requests: into the phases before
// it was last over and those since or, without such a pause, into those before the last of the time
// in which enough slow requests are expected. That part is empty if it would be almost all.
func lastOf(m evidence.Metrics, t detect.Tail, c evidence.Change) (earlier, last evidence.Window) {
	if n := t.Resumed; n > 0 {
		return slices.Concat(t.Phases[:n]...), slices.Concat(t.Phases[n:]...)
	}
	least := enoughSlow / max(t.Share(), 1e-9)
	i := len(c.Now)
	for i > 0 && (time.Duration(len(c.Now)-i)*m.Step < recently || c.Now[i:].Sum(c.Entry.Count) < least) {
		i--
	}
	if 4*i < len(c.Now) {
		return nil, nil
	}
	return c.Now[:i], c.Now[i:]
}

// enoughSlow is the number of slow requests by which the hops of a part are known.
const enoughSlow = 8

// added returns the time that the hop of a finding, or one of its ends, adds by findings, in
// milliseconds.
func added(found []result.Finding, f result.Finding) (ms float64) {
	for _, g := range found {
		if g.Hop == f.Hop || f.Kind == result.KindLink && (g.Hop == f.Target || g.Kind == result.KindLink && g.Target == f.Hop) {
			ms += g.AddedMS
		}
	}
	return ms
}
