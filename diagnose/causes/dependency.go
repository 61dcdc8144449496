package causes

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/signals"
)

// Thresholds of a dependency, which is no hop, that does not answer.
const (
	minRefused = .3  // growth of the part of its calls that fail
	minNamed   = .02 // the same, of the dependency that the finding names
	ownPart    = .5  // of the hop's failures, that as many failed calls explain
	maxStopped = .2  // calls that complete, now to before
	minMade    = 5   // calls now or, if they stopped, in the baseline
)

// silence holds the calls of a hop to a dependency that does not answer.
type silence struct {
	hop, dependency  string
	failed           [2]float64 // part of the calls, before and now
	calls            [2]float64 // per second
	failures         float64    // per second, growth
	refused, stopped bool
	own              float64 // the growth of the failures that the hop served, per second
}

// silences returns the dependencies, besides hops, whose calls fail or do not return. Fewer
// failures are enough for the one that a finding of failures names.
func silences(m evidence.Metrics, was, is evidence.Window, named string) map[[2]string]*silence {
	hops, served := map[string]bool{}, map[string]float64{}
	for _, h := range m.Hops {
		hops[h.Service] = true
	}
	length := func(w evidence.Window) float64 { return float64(max(len(w), 1)) * m.Step.Seconds() }
	for _, c := range m.Calls {
		if c.Dependency == "" {
			hops[c.Service] = true
			served[c.Service] += is.Sum(c.Failed)/length(is) - was.Sum(c.Failed)/length(was)
		}
	}
	out := map[[2]string]*silence{}
	for _, c := range m.Calls {
		if c.Dependency == "" || hops[c.Dependency] {
			continue
		}
		k := [2]string{c.Service, c.Dependency}
		s := out[k]
		if s == nil {
			s = &silence{hop: c.Service, dependency: c.Dependency, own: served[c.Service]}
			out[k] = s
		}
		for i, w := range []evidence.Window{was, is} {
			s.calls[i] += w.Sum(c.Count) / length(w)
			s.failed[i] += w.Sum(c.Failed) / length(w)
		}
	}
	for k, s := range out {
		s.failures = s.failed[1] - s.failed[0]
		for i := range s.failed {
			s.failed[i] /= max(s.calls[i], 1e-9)
		}
		least := minRefused
		if s.dependency == named {
			least = minNamed
		}
		s.refused = s.calls[1]*length(is) >= minMade && s.failed[1] >= s.failed[0]+least
		s.stopped = s.calls[0]*length(was) >= minMade && s.calls[1] <= maxStopped*s.calls[0]
		if !s.refused && !s.stopped {
			delete(out, k)
		}
	}
	return out
}

// unanswered returns the cause of a hop whose calls of a dependency, besides hops, fail, or
// do not return while the hop's own process answers.
func (t *table) unanswered(f result.Finding, q Question, found []growth) []candidate {
	m := q.Metrics
	if m.Step == 0 || f.Kind != result.KindErrors && f.Kind != result.KindSelf && f.Kind != result.KindDependency {
		return nil
	}
	window := q.Result.Window
	if e := q.Result.Errors; f.Kind == result.KindErrors && e != nil && e.Window != nil {
		window = *e.Window
	}
	named := ""
	if f.Kind == result.KindErrors {
		named = f.Target
	}
	all := silences(m, stepsIn(m, q.Result.BaselineRanges()), stepsIn(m, []result.Range{window}), named)
	var worst *silence
	var together []string
	for _, k := range slices.SortedFunc(maps.Keys(all), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		s := all[k]
		if s.refused && !slices.Contains(together, s.dependency) {
			together = append(together, s.dependency)
		}
		if s.hop == f.Hop && (f.Target == "" || f.Target == s.dependency) && (worst == nil || s.refused && !worst.refused || s.refused == worst.refused && s.failures > worst.failures) {
			worst = s
		}
	}
	if worst == nil {
		return nil
	}
	c := candidate{service: f.Hop, share: 1}
	c.Kind = result.CauseDependency
	switch {
	case worst.refused:
		c.Sure = f.Kind == result.KindErrors && worst.failures >= ownPart*worst.own || f.Kind == result.KindDependency
		c.Why = fmt.Sprintf("calls of %s to %s fail", f.Hop, worst.dependency)
		c.Evidence = []result.Signal{{Signal: "calls of " + worst.dependency + " that fail", Before: round(100 * worst.failed[0]), Now: round(100 * worst.failed[1]), Unit: "%"}}
	case f.Cause != nil && f.Cause.Kind == result.CauseFrozen && t.answers(f.Hop, found):
		c.Why = fmt.Sprintf("%s answers, but its calls of %s do not return", f.Hop, worst.dependency)
		c.Evidence = []result.Signal{{Signal: "calls of " + worst.dependency + " that return", Before: round(worst.calls[0]), Now: round(worst.calls[1]), Unit: "1/s"}}
	default:
		return nil
	}
	if !slices.Contains(together, worst.dependency) {
		together = append(together, worst.dependency)
	}
	if len(together) > 1 {
		slices.Sort(together)
		last := len(together) - 1
		c.Why += fmt.Sprintf("; %s and %s stopped answering together: look at what they share", strings.Join(together[:last], ", "), together[last])
	}
	return []candidate{c}
}

// countStalls returns the instances of services that count their stalls, by name. They are not
// doubted for late scrapes.
func (t *table) countStalls(services ...string) map[string]bool {
	out := map[string]bool{}
	for _, i := range t.instances {
		if _, ok := i.tracks[signals.Stalled]; ok && slices.Contains(services, i.service) {
			out[i.name] = true
		}
	}
	return out
}

// answers reports whether the processes of a service answer scrapes as quickly as before and
// do not stand still.
func (t *table) answers(service string, found []growth) bool {
	known, counts := false, t.countStalls(service)
	for _, i := range t.instances {
		if i.service != service {
			continue
		}
		if up, ok := i.tracks[signals.Up]; ok {
			_, now := t.windows.split(up.points)
			if known = true; len(now) == 0 || mean(now) < 1 {
				return false
			}
		}
	}
	return known && !slices.ContainsFunc(found, func(g growth) bool {
		return g.service == service && g.moved && (g.signal.Measure == signals.ScrapeTime && !counts[g.instance] || g.signal.Measure == signals.Stalled)
	})
}
