package diagnose

import (
	"fmt"
	"slices"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// leading is the share of the added time from which a finding leads.
const leading = .3

// again returns the part of a change that is present. Slow requests that come back after a
// pause in which they were over need not be those of before: if other hops lead the last
// phase than the ones before it, the change is the last phase alone. If that is too short to
// tell, again returns the reason.
func (d *Diagnosis) again(m evidence.Metrics, by splitter, c evidence.Change) (evidence.Change, string) {
	t, ok := d.tails[c.Entry.Operation]
	if !ok || c.Entry.Flow == "async" || !t.Paused || len(t.Phases) < 2 {
		return c, ""
	}
	n := len(t.Phases) - 1
	last, earlier := t.Phases[n], slices.Concat(t.Phases[:n]...)
	began := m.At(last[0])
	for len(last) > 0 && last[len(last)-1] >= m.Steps { // the entry is known for longer than its parts
		last = last[:len(last)-1]
	}
	before := evidence.Change{Entry: c.Entry, Baseline: c.Baseline, Now: earlier}
	now := evidence.Change{Entry: c.Entry, Baseline: c.Baseline, Now: last}
	if now.Now.Sum(c.Entry.Count) >= stats.MinRequests {
		was, is := leads(by.latency(before)), leads(by.latency(now))
		switch {
		case len(is) > 0 && slices.ContainsFunc(is, func(hop string) bool { return slices.Contains(was, hop) }):
			return c, ""
		case len(is) > 0:
			t.Phases = nil
			t.Slow, t.Requests = t.Of(last)
			d.tails[c.Entry.Operation] = t
			return now, ""
		}
	}
	return c, fmt.Sprintf("slow requests of %s, which were over, are back since %s: too short a time to tell whether the reason is the same",
		c.Entry.Operation, began.Format("15:04:05"))
}

// leads returns the hops, and the ends of links, of the findings with most of the time.
func leads(found []result.Finding) (out []string) {
	for i, f := range found {
		if i == 0 || f.Share >= leading {
			out = append(out, f.Hop)
			if f.Kind == result.KindLink {
				out = append(out, f.Target)
			}
		}
	}
	return out
}
