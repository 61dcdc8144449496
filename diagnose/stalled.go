package diagnose

import (
	"fmt"
	"slices"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stall"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// stalled adds the hops from which nothing returns. A sure one decides the verdict unless
// failures do: the time that ended requests took says nothing of those that hang. Requests
// that only pile up are no hang where a longer latency is located: more are in flight
// because each takes longer (Little 1961).
func (d *Diagnosis) stalled(m evidence.Metrics, by splitter) {
	for _, s := range slices.Backward(stall.Find(m)) {
		if d.opt.Entry != "" && s.Entry.Operation != d.opt.Entry {
			continue
		}
		if s.Kind == stall.Stuck && (d.grounds.raised || d.grounds.failing) {
			continue // latency or failures tell where requests are held
		}
		if (s.Kind == stall.Stuck || s.Kind == stall.Hang && answers(m, s.Hop)) && d.heldAt(m, by, s) {
			continue
		}
		if s.Kind == stall.Hang && !s.Sure && d.grounds.raised && located(d.result.Findings) {
			continue
		}
		if s.Sure && d.grounds.seen < d.grounds.needed && d.grounds.baseline < d.grounds.needed {
			s.Sure = false // what is normal is not known
		}
		verdict := result.Unsure
		switch {
		case s.Sure && s.Kind == stall.Restart:
			verdict = result.Errors
		case s.Sure:
			verdict = result.Spike
		}
		d.grounds.stall = &decision{verdict, s.Why}
		if s.Kind != stall.Silence {
			d.stall(s)
		}
		if !d.Left() && s.Entry.Operation != "" {
			d.result.Entry = s.Entry
			d.result.Window = result.Range{From: s.Since, To: d.until}
		}
	}
}

// answers reports whether all processes of a service answered their last scrape.
func answers(m evidence.Metrics, service string) bool {
	return !slices.ContainsFunc(m.Processes, func(p evidence.Process) bool {
		_, missed := p.Down()
		return p.Service == service && missed > 0
	})
}

// elsewhere leaves the choice of the entry to the diagnosis if the one that was asked for has
// no requests any more: what its customers do before may fail.
func (d *Diagnosis) elsewhere(m evidence.Metrics) {
	if d.opt.Entry == "" {
		return
	}
	since, expected, ceased := stall.Ceased(m, d.opt.Entry)
	if !ceased {
		return
	}
	d.ceased = fmt.Sprintf("hardly any requests of %s have ended since %s, about %.0f were expected: all entries are diagnosed",
		d.opt.Entry, since.Format("15:04:05"), expected)
	d.opt.Entry = ""
}

// heldAt makes the entry of a hop that holds requests the result if those that have ended
// meanwhile waited for a dependency of the hop, or on a link at it, for most of what was
// added: that is where the others are. It reports whether they did.
func (d *Diagnosis) heldAt(m evidence.Metrics, by splitter, s stall.Stall) bool {
	if d.grounds.failing || d.grounds.stall != nil {
		return false // failures, or what stands still for sure, decide
	}
	from := int(s.Since.Sub(m.Start) / m.Step)
	if from < 1 || from >= m.Steps {
		return false
	}
	c := evidence.Change{Entry: m.Entry(s.Entry), Now: m.Known(evidence.Steps(from, m.Steps)), Baseline: evidence.Steps(0, from)}
	if c.Now.Sum(c.Entry.Count) < stats.MinRequests {
		return d.leadsTo(m, s)
	}
	if !c.Grew() {
		return false
	}
	found := by.latency(c)
	if !leads(found, s.Hop) {
		return false
	}
	d.raise(m, c, found, s.Why)
	return true
}

// leads reports whether most of what was added is waited for at dependencies of a hop, or on
// links at it.
func leads(found []result.Finding, hop string) bool {
	share := 0.0
	for i, f := range found {
		if f.Entry != "" {
			continue // its share is of another entry
		}
		waits := (f.Kind == result.KindLink || f.Kind == result.KindDependency) && (f.Hop == hop || f.Target == hop)
		if i == 0 && !waits {
			return false
		}
		if waits {
			share += f.Share
		}
	}
	return share >= leading
}

// leadsTo reports whether most of what was added to the entry was waited for at dependencies
// of the hop that holds requests, or on links at it, and makes that the result. So few have
// ended since that those before have to tell. That requests are held settles whether these
// few are slower by chance.
func (d *Diagnosis) leadsTo(m evidence.Metrics, s stall.Stall) bool {
	e := d.result.Entry
	if e.Operation != s.Entry.Operation || e.Service != s.Entry.Service || e.Flow != s.Entry.Flow || !leads(d.result.Findings, s.Hop) ||
		s.Since.Sub(d.result.Window.From) > recently {
		return false // another flow, or what was slow before it began
	}
	g := d.grounds
	if !g.raised {
		if d.doubtful == nil || !s.Sure {
			return false
		}
		g.raised, g.baseline = true, d.doubtful.BaselineLength(m)
	}
	if verdict, _ := g.with(d.result.Findings).decideRaised(); verdict != result.Spike {
		return false
	}
	d.grounds = g
	d.grounds.minority = s.Why
	return true
}

// stall puts the finding of a stall first. Findings of the same hop, and of links at it,
// become part of it.
func (d *Diagnosis) stall(s stall.Stall) {
	f := result.Finding{Hop: s.Hop, Operation: s.Operation, Kind: result.KindSelf, Target: s.Target, Instance: s.Instance,
		Attributes: []result.Attribute{}, Exemplars: []string{}}
	var rest []result.Finding
	for _, have := range d.result.Findings {
		switch {
		case have.Kind == result.KindErrors && (have.Hop == s.Hop || have.Target == s.Hop) && f.Errors == nil:
			f.Kind, f.Errors, f.Target, f.Share, f.Interval = have.Kind, have.Errors, have.Target, have.Share, have.Interval
			f.Hop, f.Target = s.Hop, ""
			f.Operation = have.Operation
		case have.Kind == result.KindSelf && have.Hop == s.Hop, have.Kind == result.KindLink && (have.Hop == s.Hop || have.Target == s.Hop):
			if f.Kind == result.KindErrors {
				rest = append(rest, have)
				continue
			}
			f.BaselineMS, f.NowMS, f.AddedMS = f.BaselineMS+have.BaselineMS, f.NowMS+have.NowMS, stats.Round(f.AddedMS+have.AddedMS)
			f.Share = stats.Round(min(f.Share+have.Share, 1)) // of those that end, few and quick ones may have added little
			f.Interval[0], f.Interval[1] = stats.Round(f.Interval[0]+have.Interval[0]), stats.Round(f.Interval[1]+have.Interval[1])
			if have.Kind == result.KindSelf {
				f.Operation, f.Operations = have.Operation, have.Operations
			}
		default:
			rest = append(rest, have)
		}
	}
	if f.AddedMS > 0 {
		f.CounterfactualMS = stats.Round(max(d.result.NowMS-f.AddedMS, 0))
	}
	f.Evidence = s.Why
	kind := result.CauseFrozen
	if s.Kind == stall.Restart {
		kind = result.CauseRestart
	}
	if s.Sure {
		f.Cause = &result.Cause{Kind: kind, Why: s.Why, Evidence: s.Evidence, Sure: s.Kind == stall.Restart}
	}
	d.result.Findings = append([]result.Finding{f}, rest...)
}
