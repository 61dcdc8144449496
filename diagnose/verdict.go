package diagnose

import (
	"fmt"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/diagnose/links"
	"github.com/tenhop/tenhop/diagnose/result"
)

// grounds holds the facts that the verdict is derived from.
type grounds struct {
	entry    string        // Options.Entry
	known    bool          // the entry, or any entry, has series
	requests float64       // of the busiest entry
	step     time.Duration // of the series
	seen     time.Duration // time in which the entry had requests
	needed   time.Duration // Options.MinBaseline
	baseline time.Duration // length of the baseline of the entry that has left it

	unreadable   string // reason why the metrics hold nothing that can be read, or ""
	incomparable string // reason why the entry cannot be compared with its baseline, or ""
	unsplit      string // reason why the added time cannot be split, or ""
	contained    string // reason why another entry's change may be all of this one's, or ""
	doubt        string // reason why the entry may be about to leave its baseline, or ""
	failDoubt    string // reason why the failure ratio may be about to rise, or ""
	alert        string // what an alert says that nothing else shows, or ""
	stale        string // how old the evidence is, if it is older than two scrapes, or ""
	outweighed   string // reason why another entry may be slower by much more, or ""
	ended        string // reason why a spike may not be over, or ""
	tailDoubt    string // reason why a minority of requests may be slower, or ""
	unseen       string // reason why a recent spike would not show, or ""

	raised          bool   // the latency of an entry has left its baseline
	failing         bool   // the failure ratio has risen, and not only by timeouts at a slow hop
	located         bool   // the findings explain the added time
	failuresLocated bool   // the findings explain the failures
	red             bool   // the metrics have no self times, so traces split the added time
	concurrency     bool   // the findings name calls that surely follow each other
	spread          string // reason why no hop is named, or ""
	minority        string // which requests are slower, if not all, or ""

	stall *decision // on a hop from which nothing returns, or nil

	comparison *compare.Comparison // nil without traces of two windows
	reconciled *decision           // on metrics and traces of the same time, or nil
	decidedBy  string              // Result.DecidedBy
}

// decision is a verdict that reconcile has made.
type decision struct{ verdict, why string }

// decide returns the verdict and the reason for it, which may be "". The only other
// rules for a verdict are those of reconcile.
func (g grounds) decide() (verdict, why string) {
	short := g.short()
	switch {
	case g.reconciled != nil:
		return g.reconciled.verdict, g.reconciled.why
	case g.failing && short == "" && !g.failuresLocated:
		return result.Errors, "no hop's own failures explain it; are all hops scraped?"
	case g.failing && short == "":
		return result.Errors, ""
	case g.comparison != nil && g.comparison.Sure():
		return result.Spike, ""
	case g.comparison != nil && g.raised && g.concurrency:
		return result.Spike, ""
	case g.comparison != nil && g.comparison.Doubtful():
		return result.Unsure, "chance may explain what differs, or there are too few traces to tell"
	case g.comparison != nil && g.raised:
		return result.Unsure, "requests take longer, but no single operation or link does for sure: each of many may be slower by little"
	case g.stall != nil && g.stall.verdict != result.Unsure:
		return g.stall.verdict, ""
	case g.failing:
		return result.Unsure, short
	case g.raised:
		return g.decideRaised()
	case g.comparison != nil && (g.known || g.entry == ""):
		return result.None, ""
	case g.stall != nil:
		return g.stall.verdict, g.stall.why
	case g.alert != "":
		return result.Unsure, g.alert
	case g.failDoubt != "":
		return result.Unsure, g.failDoubt
	case g.doubt != "":
		return result.Unsure, g.doubt
	case g.tailDoubt != "":
		return result.Unsure, g.tailDoubt
	case !g.known && g.entry != "":
		return result.Unsure, fmt.Sprintf("no requests of %q were seen; is it spelled as in the metrics, and is there traffic?", g.entry)
	case g.requests <= 0 && g.unreadable != "":
		return result.Unsure, g.unreadable
	case g.requests <= 0:
		return result.Unsure, "no requests were seen; is there traffic, and are the services scraped?"
	case g.incomparable != "":
		return result.Unsure, g.incomparable
	case g.seen < g.needed:
		return result.Unsure, fmt.Sprintf("only %s of traffic were seen; %s are needed to know what is normal", g.seen.Round(g.step), g.needed)
	case g.ended != "":
		return result.Unsure, g.ended
	case g.unseen != "":
		return result.Unsure, g.unseen
	case g.stale != "":
		return result.Unsure, g.stale
	}
	return result.None, ""
}

// reconcile returns the verdict on metrics and a sample of traces of the same time, the
// reason for it, Result.DecidedBy, and whether the traces' findings are the result.
func reconcile(m, t view) (byTraces bool, verdict, why, decidedBy string) {
	// Three steps after it began, a spike must show in metrics that know the entry.
	contradicted := m.known && !m.hard && m.entry == t.entry && t.from.Before(m.until.Add(-3*m.step))
	switch {
	case !m.known:
		return true, t.verdict, t.why, result.DecidedByTraces
	case m.verdict == result.Spike, m.verdict == result.Errors, t.chosen:
		return false, m.verdict, m.why, result.DecidedByMetrics
	case (t.verdict == result.Spike || t.verdict == result.Errors) && contradicted:
		return true, result.Unsure, fmt.Sprintf("metrics and traces disagree: %s, %s", m.figures, t.figures), result.DecidedByBoth
	case t.verdict == result.Spike, t.verdict == result.Errors:
		return true, t.verdict, t.why, result.DecidedByTraces
	// Quiet traces of other entries say nothing of one that the metrics cannot judge.
	case t.verdict == result.None && !m.hard && (m.verdict == result.None || m.entry == t.entry || slices.Contains(t.entries, m.entry)):
		return false, result.None, "", result.DecidedByBoth
	case t.verdict == result.Unsure && t.hard && !m.hard:
		return true, t.verdict, t.why, result.DecidedByTraces
	case m.verdict == result.Unsure && t.verdict == result.Unsure && !m.hard && m.why != t.why:
		return false, m.verdict, m.why + "; of traces, " + t.why, result.DecidedByBoth
	}
	return false, m.verdict, m.why, result.DecidedByMetrics
}

// decideRaised returns the verdict on an entry whose latency has left its
// baseline.
func (g grounds) decideRaised() (verdict, why string) {
	short := g.short()
	switch {
	case short != "":
		return result.Unsure, short
	case g.unsplit != "":
		return result.Unsure, g.unsplit
	case g.contained != "":
		return result.Unsure, g.contained
	case !g.located && !g.red:
		return result.Unsure, "no hop's time explains what was added; are all hops scraped?"
	case g.spread != "":
		return result.Unsure, g.spread
	case g.outweighed != "":
		return result.Unsure, g.outweighed
	}
	return result.Spike, g.minority
}

// short returns the reason why the baseline is too short, or "".
func (g grounds) short() string {
	if g.baseline < g.needed {
		return fmt.Sprintf("the baseline is only %s long; %s are needed to be sure", g.baseline, g.needed)
	}
	return ""
}

// Short reports whether latency or failures have risen and only the baseline is too short
// for a verdict.
func (d *Diagnosis) Short() bool {
	g := d.grounds
	return g.short() != "" && (g.failing || g.raised && len(d.result.Findings) > 0)
}

// with returns g with the fields that depend on the findings set.
func (g grounds) with(found []result.Finding) grounds {
	g.located, g.failuresLocated, g.spread = located(found), failuresLocated(found), spread(found)
	g.concurrency = lostConcurrency(found)
	return g
}

// located reports whether there is a finding of time that the entry itself added.
func located(found []result.Finding) bool {
	return slices.ContainsFunc(found, func(f result.Finding) bool { return f.Kind != result.KindErrors && f.Entry == "" })
}

// failuresLocated reports whether there is a finding of failures.
func failuresLocated(found []result.Finding) bool {
	return slices.ContainsFunc(found, func(f result.Finding) bool { return f.Kind == result.KindErrors })
}

// minSpread is the number of findings from which added time of which none has more than
// result.MostSpread has a cause that the hops have in common.
const minSpread = 5

// spread returns the reason why the findings of the entry itself name no hop, or "".
func spread(found []result.Finding) string {
	parts, most := 0, 0.0
	ends := map[string]float64{} // share of the links by end
	for _, f := range found {
		if f.Entry != "" {
			continue
		}
		if f.Kind != result.KindErrors {
			parts, most = parts+1, max(most, f.Share)
		}
		if f.Kind == result.KindLink && !f.EitherEnd {
			if ends[f.Hop] += f.Share; ends[f.Hop] > links.MinTogether {
				return "" // one end delays its links
			}
		}
	}
	if parts < minSpread || most > result.MostSpread {
		return ""
	}
	return fmt.Sprintf("the added time is spread over %d parts, none with more than %.0f %%: look first at what they share, such as a machine or a network",
		parts, 100*most)
}
