package causes

import (
	"fmt"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/signals"
)

// overload returns the causes of requests that are refused, or calls that wait, because too
// many are in flight. Why so many are is another question: causes of the process that is
// slow come first.
func (t *table) overload(found []growth, f result.Finding, l load, q Question) []candidate {
	var out []candidate
	for _, s := range services(f) {
		if e := t.direct(found, s, signals.BulkheadWait, l); e.moved > 0 && f.Kind != result.KindErrors {
			out = append(out, t.waits(s, result.CauseSaturation, fmt.Sprintf("calls of %s wait because too many are in flight", s), e))
		}
		if f.Kind != result.KindErrors {
			continue
		}
		for _, r := range []struct {
			measure signals.Measure
			why     string
		}{
			{signals.Shed, s + " refuses requests because too many are in flight"},
			{signals.BulkheadFull, s + " makes no further calls of a dependency because too many are in flight"},
		} {
			e := t.direct(found, s, r.measure, l)
			if e.moved == 0 {
				continue
			}
			// The part of the failures that the refusals explain.
			if failures := t.failures(s, q); failures > 0 {
				e.share = e.total / failures
			}
			out = append(out, t.plain(s, result.CauseSaturation, r.why, e, e.share >= ownPart))
		}
	}
	return out
}

// failures returns the growth of the requests of a service that fail, per second.
func (t *table) failures(service string, q Question) float64 {
	m := q.Metrics
	if m.Step == 0 {
		return 0
	}
	window := q.Result.Window
	if e := q.Result.Errors; e != nil && e.Window != nil {
		window = *e.Window
	}
	was, is := stepsIn(m, q.Result.BaselineRanges()), stepsIn(m, []result.Range{window})
	grown := 0.0
	for _, c := range m.Calls {
		if c.Service == service && c.Dependency == "" {
			grown += is.Sum(c.Failed)/(float64(max(len(is), 1))*m.Step.Seconds()) - was.Sum(c.Failed)/(float64(max(len(was), 1))*m.Step.Seconds())
		}
	}
	return grown
}

// resilience adds to a cause what callers did about it: calls that were made again, or not
// made because a circuit breaker was open.
func resilience(c *result.Cause, found []growth) {
	for _, g := range found {
		if g.moved && (g.signal.Measure == signals.CallRetries || g.signal.Measure == signals.BreakerOpen) {
			e := evidenceOf(g)
			e.Signal += " of " + g.instance
			c.Evidence = append(c.Evidence, e)
		}
	}
}
