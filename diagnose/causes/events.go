package causes

import (
	"fmt"
	"math"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/signals"
)

// Events count from a little before the window of now on, since a request fails after its
// callee was killed.
const eventLead = 15 * time.Second

// maxOnce is the age of a window within which one restart explains failures.
const maxOnce = time.Minute

// events returns the causes that happen at one moment: a process killed for memory, and
// restarts. A target that refuses scrapes is down.
func (t *table) events(service string, f result.Finding, found []growth) []candidate {
	now := result.Range{From: t.windows.now.From.Add(-eventLead), To: t.windows.now.To}
	var out []candidate
	several := t.count(service)
	add := func(kind, why string, e result.Signal, i *instance, sure bool) {
		c := candidate{Cause: result.Cause{Kind: kind, Why: why, Evidence: []result.Signal{e}, Sure: sure}, service: service, share: sureStall}
		if several > 1 {
			c.instance = i.name
		}
		out = append(out, c)
	}
	for _, i := range t.instances {
		if i.service != service {
			continue
		}
		if k, ok := i.tracks[signals.MemoryKills]; ok {
			if n, before, last := count(k.points, now, t.windows); n >= 1 && n > 2*before {
				add(result.CauseMemory, fmt.Sprintf("%s was killed for memory at %s", service, last.Format("15:04:05")),
					result.Signal{Signal: k.signal.Series, Before: before, Now: n, Unit: "kills"}, i, true)
			}
		}
		n, before, series, last := i.restarts(now, t.windows)
		if n < 1 || n <= 2*before {
			continue
		}
		e := result.Signal{Signal: series, Before: before, Now: n, Unit: "restarts"}
		deployed := false
		for _, d := range t.deploys {
			if d.Service == service {
				deployed = true
				add(result.CauseCode, fmt.Sprintf("%s runs version %s since %s, %s before", service, d.Version, d.Seen.Format("15:04:05"), d.Before), e, i, false)
			}
		}
		used, full := i.memoryBefore(last, t.windows)
		switch {
		case deployed:
		case used >= nearLimit:
			add(result.CauseMemory, fmt.Sprintf("%s restarted at %s, after its memory had reached %.0f %% of the limit", service, last.Format("15:04:05"), 100*used),
				result.Signal{Signal: "memory, part of the limit", Before: i.memoryUsed(t.windows.baseline[0].From, t.windows.now.From), Now: math.Round(1000*used) / 1000}, i, full)
		case n > 1:
			add(result.CauseRestart, fmt.Sprintf("%s restarts again and again: %.0f times since %s", service, n, now.From.Format("15:04:05")), e, i, true)
		default:
			short := now.To.Sub(now.From) <= maxOnce+eventLead
			add(result.CauseRestart, fmt.Sprintf("%s restarted at %s", service, last.Format("15:04:05")), e, i, f.Kind == result.KindErrors && short)
		}
	}
	return append(out, t.unreachable(service, f, several, found)...)
}

// count returns the number of events now, the number to be expected from the baseline in
// the same time, and the time of the last one.
func count(points []point, now result.Range, w windows) (n, before float64, last time.Time) {
	length := 0.0
	for _, p := range points {
		if in(p, now) {
			if v := p.value * p.seconds(); v >= .5 {
				n, last = n+math.Round(v), p.to
			}
			continue
		}
		for _, b := range w.baseline {
			if in(p, b) {
				before += p.value * p.seconds()
				length += p.seconds()
			}
		}
	}
	if length > 0 {
		before *= now.To.Sub(now.From).Seconds() / length
	}
	return n, math.Round(before*100) / 100, last
}

// sameStart is the difference below which two start times are one.
const sameStart = 1.0

// restarts returns the number of restarts now, from the start time of the process or from
// a counter, and the number to be expected.
func (i *instance) restarts(now result.Range, w windows) (n, before float64, series string, last time.Time) {
	if tr, ok := i.tracks[signals.Started]; ok {
		var changes []point
		for k := 1; k < len(tr.samples); k++ {
			a, b := tr.samples[k-1], tr.samples[k]
			length := b.At.Sub(a.At).Seconds()
			if length <= 0 {
				continue
			}
			v := 0.0
			if b.Value > a.Value+sameStart {
				v = 1
			}
			changes = append(changes, point{a.At, b.At, v / length})
		}
		n, before, last = count(changes, now, w)
		series = tr.signal.Series
	}
	if tr, ok := i.tracks[signals.Restarts]; ok {
		if m, was, at := count(tr.points, now, w); m > n {
			return m, was, tr.signal.Series, at
		}
	}
	return n, before, series, last
}

// nearLimit is the part of the memory limit from which a restart is taken for a kill.
const nearLimit = .9

// memoryUsed returns the largest part of the memory limit that was used within a time.
func (i *instance) memoryUsed(from, to time.Time) float64 {
	most := 0.0
	for _, l := range i.tracks[signals.MemoryLimit].samples {
		for _, u := range i.tracks[signals.MemoryUsed].samples {
			if u.At.Equal(l.At) && l.Value > 0 && !u.At.Before(from) && u.At.Before(to) {
				most = max(most, u.Value*i.tracks[signals.MemoryUsed].signal.Unit/l.Value)
			}
		}
	}
	return math.Round(1000*most) / 1000
}

// memoryBefore returns the part of the memory limit that was used shortly before a restart,
// and whether the process was refused memory then and not in the baseline.
func (i *instance) memoryBefore(restart time.Time, w windows) (used float64, full bool) {
	before := result.Range{From: restart.Add(-eventLead), To: restart}
	n, expected, _ := count(i.tracks[signals.MemoryFull].points, before, w)
	return i.memoryUsed(before.From, before.To), n >= 1 && n > 2*expected
}

// maxDown is the part of the time that a target is down now that it may have been down in
// the baseline, too: a scrape is lost now and then.
const maxDown = .2

// minThrottled is the throttled part of the time from which it explains that a process does
// not answer.
const minThrottled = .5

// unreachable returns the cause of an instance that no longer answers scrapes. If scrapes
// take longer, they wait for a process that exists; otherwise there is none.
func (t *table) unreachable(service string, f result.Finding, several int, found []growth) []candidate {
	for _, i := range t.instances {
		up, ok := i.tracks[signals.Up]
		if i.service != service || !ok {
			continue
		}
		base, now := t.windows.split(up.points)
		down := 1 - mean(now)
		if len(base) < minPoints || len(now) == 0 || down == 0 || 1-mean(base) > maxDown*down {
			continue
		}
		took, known := i.tracks[signals.ScrapeTime]
		b, n := t.windows.split(took.points)
		e := result.Signal{Signal: up.signal.Series, Before: math.Round(100*mean(base)) / 100, Now: math.Round(100*(1-down)) / 100}
		c := candidate{Cause: result.Cause{Kind: result.CauseRestart, Why: service + " is down: nothing accepts its scrapes", Evidence: []result.Signal{e}}, service: service, share: down}
		if known && len(n) > 0 && mean(n) > 2*mean(b)+.2 {
			c.Kind, c.Why = result.CauseFrozen, service+" hangs: scrapes of it get no answer in time"
			c.Evidence = append(c.Evidence, result.Signal{Signal: took.signal.Series, Before: math.Round(1000 * mean(b)), Now: math.Round(1000 * mean(n)), Unit: "ms"})
		}
		for _, g := range found {
			if c.Kind == result.CauseFrozen && g.instance == i.name && g.service == service && g.moved && g.signal.Measure == signals.Throttled && g.by() >= minThrottled {
				c.Kind, c.Why = result.CauseThrottled, service+" is throttled: it has used up its CPU quota, and scrapes of it get no answer in time"
				c.Evidence = append([]result.Signal{evidenceOf(g)}, c.Evidence...)
			}
		}
		c.Sure = (f.Hop == service || f.EitherEnd) && down >= sureStall/float64(max(several, 1))
		if several > 1 {
			c.instance = i.name
		}
		return []candidate{c}
	}
	return nil
}

// maxOthers is the part of a service's growth that instances other than the carrier may
// have together.
const maxOthers = .25

// carrier returns the instance of a service whose self time per message grew, if it is one
// of several, or "".
func (t *table) carrier(service string) string {
	type grown struct {
		name string
		by   float64
	}
	var all []grown
	sum, best := 0.0, grown{}
	for _, i := range t.instances {
		self, ok := t.self[i]
		if i.service != service || !ok {
			continue
		}
		bt, nt := t.windows.split(self.time)
		bc, nc := t.windows.split(self.count)
		if total(bc) < 1 || total(nc) < 1 {
			continue
		}
		g := grown{i.name, math.Max(total(nt)-total(nc)*total(bt)/total(bc), 0)}
		all, sum = append(all, g), sum+g.by
		if g.by > best.by {
			best = g
		}
	}
	if len(all) < 2 || sum-best.by > maxOthers*sum || best.by == 0 {
		return ""
	}
	return best.name
}
