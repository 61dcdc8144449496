package diagnose

import (
	"fmt"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/diagnose/result"
)

// grounds are the facts that a verdict rests on, whatever evidence they come from.
type grounds struct {
	entry    string        // the only entry that was asked for; else empty
	known    bool          // the entry, or any entry, has series
	requests float64       // of the busiest entry
	step     time.Duration // of the series
	seen     time.Duration // for which the entry's requests were seen
	needed   time.Duration // shortest baseline of a sure verdict
	baseline time.Duration // length of the baseline of what rose

	incomparable string // why the entry cannot be compared with its baseline; else empty
	unsplit      string // why the added time cannot be split; else empty

	raised          bool // the latency of an entry has left its baseline
	failing         bool // more of its requests fail, and not only because a hop is slow
	located         bool // findings explain what was added
	failuresLocated bool // findings explain what fails
	red             bool // metrics know no self times: traces locate
	spread          string

	comparison *compare.Comparison // nil without traces of two times
	decidedBy  string
}

// decide returns the verdict and, where it needs one, the reason. These are the
// only rules by which a diagnosis says spike, errors, none or unsure.
func (g grounds) decide() (verdict, why string) {
	short := g.short()
	switch {
	case g.failing && short == "" && !g.failuresLocated:
		return result.Errors, "no hop's own failures explain it; are all hops scraped?"
	case g.failing && short == "":
		return result.Errors, ""
	case g.comparison != nil && g.comparison.Sure():
		return result.Spike, ""
	case g.comparison != nil && g.comparison.Doubtful():
		return result.Unsure, "chance may explain what differs, or there are too few traces to tell"
	case g.comparison != nil && g.raised:
		return result.Unsure, "requests take longer, but no operation or link does by itself: calls that used to overlap may follow each other"
	case g.comparison != nil:
		return result.None, ""
	case g.failing:
		return result.Unsure, short
	case g.raised:
		return g.decideRaised()
	case !g.known && g.entry != "":
		return result.Unsure, fmt.Sprintf("no requests of %q were seen; is it spelled as in the metrics, and is there traffic?", g.entry)
	case g.requests <= 0:
		return result.Unsure, "no requests were seen; is there traffic, and are the services scraped?"
	case g.incomparable != "":
		return result.Unsure, g.incomparable
	case g.seen < g.needed:
		return result.Unsure, fmt.Sprintf("only %s of traffic were seen; %s are needed to know what is normal", g.seen.Round(g.step), g.needed)
	}
	return result.None, ""
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
	case !g.located && !g.red:
		return result.Unsure, "no hop's time explains what was added; are all hops scraped?"
	case g.spread != "":
		return result.Unsure, g.spread
	}
	return result.Spike, ""
}

// short returns why the baseline is too short for a sure verdict; empty when it is
// not.
func (g grounds) short() string {
	if g.baseline < g.needed {
		return fmt.Sprintf("the baseline is only %s long; %s are needed to be sure", g.baseline, g.needed)
	}
	return ""
}

// with returns the grounds with what the findings say.
func (g grounds) with(found []result.Finding) grounds {
	g.located, g.spread = located(found), spread(found)
	return g
}

// located reports whether a finding says where time was added.
func located(found []result.Finding) bool {
	return slices.ContainsFunc(found, func(f result.Finding) bool { return f.Kind != result.KindErrors })
}

// Time that is spread over sharedParts parts or more, none of them with more than
// sharedMost of it, was added by something that the hops share, not by a hop.
const (
	sharedParts = 5
	sharedMost  = .25
)

// spread returns why the findings blame no hop; empty when they do.
func spread(found []result.Finding) string {
	found = slices.DeleteFunc(slices.Clone(found), func(f result.Finding) bool { return f.Kind == result.KindErrors })
	if len(found) < sharedParts || slices.ContainsFunc(found, func(f result.Finding) bool { return f.Share > sharedMost }) {
		return ""
	}
	return fmt.Sprintf("the added time is spread over %d parts, none with more than %.0f %%: look first at what they share, such as a machine or a network",
		len(found), 100*found[0].Share)
}
