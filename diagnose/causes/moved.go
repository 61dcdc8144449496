package causes

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/tenhop/tenhop/signals"
)

// growth compares a measure of an instance between the baseline and now.
type growth struct {
	signal      signals.CauseSignal
	service     string
	instance    string
	before, now float64
	moved       bool
	everywhere  bool // it moved at half of the other services, too
	early       bool // it moved long before the hop
}

// by returns the growth.
func (g growth) by() float64 { return g.now - g.before }

// Thresholds of a signal that has moved. They were chosen on synthetic series and on a few
// faults of the storefront, and are no fit to any of them.
const (
	minPoints   = 5   // of the baseline
	falseAlarms = .01 // probability that any of the signals looked at moves by chance
	minRatio    = 1.3 // now to before
	minSpread   = .1  // standard deviation, as a fraction of the baseline's median
	maxPrevious = .5  // of the growth, that a stretch of the baseline as long as now may have shown
	maxEvidence = 4   // points of now that count as independent
	minLate     = .25 // of the growth, in the first half of now
	everywhere  = .5  // of the growth, at half of the other services
	minPeers    = 3   // other services, for a comparison with them
	mostChance  = .5  // signals of a service that are expected to move by chance, for a sure cause
	mostFitting = 2.  // of the added time, that a signal may explain if more of them are expected to
	minAsked    = 30  // pretended onsets
	minNever    = 10  // signals of a measure, per instance of the service
)

// A signal may move before the hop leaves its baseline: what is noisy leaves it late.
const (
	maxLead  = 40 * time.Second
	sureLead = 12 * time.Second
)

// noise returns the least standard deviation of a measure, in its unit: changes of a few of
// these matter to nobody.
func noise(m signals.Measure) float64 {
	switch m {
	case signals.ScrapeTime:
		return .01
	case signals.CPUTime, signals.GCTime:
		return .02
	case signals.LockBlocked, signals.PoolWaiting, signals.OldestRequest, signals.Shed, signals.BulkheadFull, signals.BreakerOpen, signals.CallRetries:
		return .2
	case signals.DiskFaults:
		return 5
	case signals.MemoryUsed, signals.MemoryLimit:
		return 1 << 20
	}
	return .005
}

// compare sets whether a measure is higher now than in the baseline. The z-score of the
// mean of now uses the median and the median absolute deviation of the baseline; its
// threshold is that of Bonferroni's correction for the given number of tests. Besides, the
// measure must have grown when the hop did: no stretch of the baseline as long as now may
// have shown half of the growth, unless now continues it, and the first half of now must
// have a quarter of it.
func (g *growth) compare(base, now []point, tests int) {
	g.before, g.now = mean(base), mean(now)
	if len(base) < minPoints || len(now) == 0 {
		return
	}
	sorted := make([]float64, 0, len(base))
	for _, p := range base {
		sorted = append(sorted, p.value)
	}
	middle := median(sorted)
	for i, v := range sorted {
		sorted[i] = math.Abs(v - middle)
	}
	sigma := max(1.4826*median(sorted), minSpread*math.Abs(middle), noise(g.signal.Measure))
	high := middle + maxPrevious*(g.now-middle)
	lead := len(base)
	for lead > 0 && base[lead-1].value > high && now[0].from.Sub(base[lead-1].from) <= maxLead {
		lead--
	}
	if lead < len(base) && lead >= minPoints {
		g.early = now[0].from.Sub(base[lead].from) > sureLead
		base = base[:lead]
		g.before = mean(base)
	}
	z := (g.now - middle) / sigma * math.Sqrt(float64(min(len(now), maxEvidence)))
	if math.IsNaN(z) || z < quantile(falseAlarms/float64(max(tests, 1))) || g.now < minRatio*g.before {
		return
	}
	length := min(len(now), max(len(base)/2, 1))
	for i := 0; i+length <= len(base); i++ {
		if mean(base[i:i+length]) > high {
			return
		}
	}
	if half := len(now) / 2; half >= 2 && mean(now[:half])-middle < minLate*(g.now-middle) {
		return
	}
	g.moved = true
}

// median returns the median and sorts v.
func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// quantile returns the z-score that a normal value exceeds with probability p.
func quantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(1-2*p) }

// growths compares all measures of the instances of services, against those of all other
// services.
func (t *table) growths(services []string) []growth {
	tests := 0
	for _, i := range t.instances {
		if slices.Contains(services, i.service) {
			tests += len(i.tracks)
		}
	}
	var out []growth
	for _, i := range t.instances {
		if !slices.Contains(services, i.service) {
			continue
		}
		for _, m := range slices.Sorted(maps.Keys(i.tracks)) {
			tr := i.tracks[m]
			base, now := t.windows.split(tr.points)
			if m == signals.ScheduleWait && total(base)+total(now) == 0 {
				continue // OpenTelemetry's instrumentation exports the buckets without a sum
			}
			g := growth{signal: tr.signal, service: i.service, instance: i.name}
			g.compare(base, now, tests)
			g.everywhere = g.moved && t.elsewhere(m, services, g.by())
			out = append(out, g)
		}
	}
	return out
}

// Onsets in the baseline, as fractions of its points, at which signals are asked whether they
// moved, although the hop did not.
var pretended = [3]float64{.5, .65, .8}

// wandering counts the pretended onsets at which signals are asked, and those at which they
// moved: the false alarms of this fleet, at this time.
type wandering struct {
	asked, moved int
	of           map[signals.Measure][2]int // signals asked and onsets at which they moved, by measure
}

// wander asks all signals.
func (t *table) wander() wandering {
	out := wandering{of: map[signals.Measure][2]int{}}
	for _, i := range t.instances {
		for m, tr := range i.tracks {
			base, now := t.windows.split(tr.points)
			n, asked := out.of[m], out.asked
			for _, at := range pretended {
				from := int(at * float64(len(base)))
				to := from + len(now)
				if len(now) == 0 || from < minPoints || to > len(base) {
					continue
				}
				g := growth{signal: tr.signal}
				g.compare(base[:from], base[from:to], len(i.tracks))
				out.asked++
				if g.moved {
					out.moved, n[1] = out.moved+1, n[1]+1
				}
			}
			if out.asked > asked {
				n[0]++
			}
			out.of[m] = n
		}
	}
	return out
}

// distrust takes a cause for chance if many signals of the fleet move at any time, so that one
// of the many of a service is expected to move with the hop. Such a cause is not sure, and none
// unless its effect has about the size of the added time. A measure that never moved elsewhere
// is trusted: by the rule of three (Hanley and Lippman-Hand 1983) fewer than three in minNever
// signals move by chance.
func (t *table) distrust(c *candidate) {
	w := t.wanders
	if c.measure == "" || w.asked < minAsked {
		return
	}
	if n := w.of[c.measure]; n[0] >= minNever*t.count(c.service) && n[1] == 0 {
		return
	}
	tests := 0
	for _, i := range t.instances {
		if i.service == c.service {
			tests += len(i.tracks)
		}
	}
	if float64(tests*w.moved) < mostChance*float64(w.asked) {
		return
	}
	if c.Sure = false; c.share < sureDirect || c.share > mostFitting {
		c.share = 0
	}
}

// elsewhere reports whether a measure grew at half of the other services by at least half
// of the growth.
func (t *table) elsewhere(m signals.Measure, services []string, by float64) bool {
	most := map[string]float64{}
	for _, i := range t.instances {
		tr, ok := i.tracks[m]
		if !ok || slices.Contains(services, i.service) {
			continue
		}
		base, now := t.windows.split(tr.points)
		if len(base) > 0 && len(now) > 0 {
			most[i.service] = max(most[i.service], mean(now)-mean(base))
		}
	}
	higher := 0
	for _, v := range most {
		if v >= everywhere*by {
			higher++
		}
	}
	return len(most) >= minPeers && 2*higher >= len(most)
}
