package causes

import (
	"math"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/signals"
)

// load holds the work of a hop and the time that it added, per request. Requests are those
// that the hop served or, if that is unknown, those of the entry.
type load struct {
	before, now float64 // requests per second
	added       float64 // seconds per request; 0 for failures
	duration    float64 // of the hop now, seconds per request
	scale       float64 // messages of the hop now, to before; 0 if unknown
}

// loadOf returns the load of a finding's hop.
func loadOf(f result.Finding, q Question) load {
	r, base := q.Result, 0.0
	for _, b := range r.BaselineRanges() {
		base += b.To.Sub(b.From).Seconds()
	}
	l := load{before: float64(r.Requests.Baseline) / math.Max(base, 1), now: float64(r.Requests.Now) / math.Max(r.Window.To.Sub(r.Window.From).Seconds(), 1),
		added: math.Max(f.AddedMS, 0) / 1000, duration: math.Max(f.NowMS, 0) / 1000}
	if f.Kind == result.KindErrors {
		return load{before: l.before, now: l.now}
	}
	m := q.Metrics
	if m.Step == 0 {
		return l
	}
	was, is := stepsIn(m, r.BaselineRanges()), stepsIn(m, []result.Range{r.Window})
	var self, count, duration [2]float64
	for _, h := range m.Hops {
		if h.Service != f.Hop {
			continue
		}
		for i, w := range []evidence.Window{was, is} {
			self[i] += w.Sum(h.Self)
			count[i] += w.Sum(h.Count)
			duration[i] += w.Sum(h.Duration)
		}
	}
	if count[0] == 0 || count[1] == 0 || len(was) == 0 || len(is) == 0 {
		return l
	}
	l.scale = count[1] / float64(len(is)) / (count[0] / float64(len(was)))
	if f.Kind != result.KindSelf {
		return l
	}
	added := self[1]/count[1] - self[0]/count[0]
	if added <= 0 {
		return l
	}
	step := m.Step.Seconds()
	return load{before: count[0] / (float64(len(was)) * step), now: count[1] / (float64(len(is)) * step), added: added, duration: duration[1] / count[1], scale: l.scale}
}

// stepsIn returns the steps of m that lie within ranges.
func stepsIn(m evidence.Metrics, ranges []result.Range) evidence.Window {
	var out evidence.Window
	for i := range m.Steps {
		for _, r := range ranges {
			if !m.At(i).Before(r.From.Add(-time.Millisecond)) && !m.At(i+1).After(r.To.Add(time.Millisecond)) {
				out = append(out, i)
				break
			}
		}
	}
	return out
}

// effect is the time that a measure added to a request, summed over the instances of a
// service, as a share of the added time.
type effect struct {
	share   float64
	largest growth  // of the instances that moved
	moved   int     // instances
	of      int     // instances that report the measure
	total   float64 // growth of all that grew
	sum     [2]float64
}

// direct returns the effect of a measure in seconds of waiting per second: divided by the
// requests, it is the wait per request.
func (t *table) direct(found []growth, service string, m signals.Measure, l load) (e effect) {
	for _, g := range found {
		if g.service != service || g.signal.Measure != m {
			continue
		}
		e.of++
		e.sum[0], e.sum[1] = e.sum[0]+g.before, e.sum[1]+g.now
		e.note(g)
	}
	if e.moved == 0 || l.now == 0 || l.added == 0 {
		return e
	}
	scale := 1.0
	if l.before > 0 {
		scale = l.now / l.before
	}
	e.share = math.Max(e.sum[1]-e.sum[0]*math.Max(scale, 1), 0) / l.now / l.added
	return e
}

// stall returns the effect of a measure that says for how long the process did not run. A
// request that arrives in a stall waits for the rest of it: on average the stalled share
// times half the length of a stall. If requests are longer than stalls, the stalled share of
// their duration is stalled. Both are lower bounds: requests pile up in a stall.
func (t *table) stall(found []growth, service string, m, number signals.Measure, l load) (e effect) {
	expected, stalled := 0.0, 0.0
	for _, g := range found {
		if g.service != service || g.signal.Measure != m {
			continue
		}
		e.of++
		e.sum[0], e.sum[1] = e.sum[0]+g.before, e.sum[1]+g.now
		e.note(g)
		if !g.moved {
			continue
		}
		part := math.Min(g.by(), 1)
		stalled += part
		for _, n := range found {
			if n.service == service && n.instance == g.instance && n.signal.Measure == number && n.now > 0 {
				expected += part * g.now / n.now / 2
			}
		}
	}
	if e.moved == 0 {
		return e
	}
	n := float64(e.of)
	if l.added == 0 {
		e.share = stalled / n
		return e
	}
	e.share = math.Max(expected, stalled*math.Max(l.duration, l.added)) / n / l.added
	return e
}

// note adds the growth of an instance.
func (e *effect) note(g growth) {
	e.total += math.Max(g.by(), 0)
	if !g.moved {
		return
	}
	e.moved++
	if e.moved == 1 || g.by() > e.largest.by() {
		e.largest = g
	}
}

// probe returns the effect of scrapes that take longer: a scrape waits for the process as a
// request does.
func (t *table) probe(found []growth, service string, l load) (e effect) {
	by := 0.0
	for _, g := range found {
		if g.service == service && g.signal.Measure == signals.ScrapeTime {
			e.of++
			e.sum[0], e.sum[1] = e.sum[0]+g.before, e.sum[1]+g.now
			if e.note(g); g.moved {
				by += g.by()
			}
		}
	}
	if e.moved > 0 && l.added > 0 {
		e.share = by / float64(e.of) / l.added
	} else if e.moved > 0 {
		e.share = math.Min(by, 1)
	}
	return e
}
