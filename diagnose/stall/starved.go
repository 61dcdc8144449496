package stall

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// A process that is starved or stopped at times answers scrapes late. Measured on the
// storefront, the mean duration of its scrapes was 6.4 to 383 times as long as before;
// with other faults it was at most 2.1 times as long at the hop at fault, and up to 8.2
// times at innocent busy ones. So only a suspect is asked.
const (
	minSlower   = 6
	minScrape   = .01 // seconds
	minScrapes  = 2
	minTouching = .3  // share of the added time at the hop and its links together
	minStalled  = .03 // of the time, for which a process that counts it stood still
	moreStalled = 3   // of that, now to before
)

// Starved replaces the findings of a hop, and of the links at it, by one finding if its
// process is frozen or starved at times.
func Starved(m evidence.Metrics, c evidence.Change, found []result.Finding) []result.Finding {
	if len(found) == 0 || len(c.Now) == 0 {
		return found
	}
	from := m.At(c.Now[0])
	share := map[string]float64{} // of the findings at a hop
	for _, f := range found {
		if f.Kind != result.KindSelf && f.Kind != result.KindLink {
			continue
		}
		share[f.Hop] += f.Share
		if f.Kind == result.KindLink {
			share[f.Target] += f.Share
		}
	}
	type suspect struct {
		evidence.Process
		before, now float64
	}
	var all []suspect
	for _, s := range slices.Sorted(maps.Keys(share)) {
		if share[s] < minTouching {
			continue
		}
		for _, p := range m.Processes {
			if p.Service != s {
				continue
			}
			if before, now, n := scrapesOf(p, from); n >= minScrapes && now >= minScrape && now >= minSlower*before && stoodStill(p, from) {
				all = append(all, suspect{p, before, now})
			}
		}
	}
	if len(all) == 0 {
		return found
	}
	worst := slices.MaxFunc(all, func(a, b suspect) int { return cmp.Compare(a.now/a.before, b.now/b.before) })
	out := result.Finding{Hop: worst.Service, Kind: result.KindSelf, Attributes: []result.Attribute{}, Exemplars: []string{}}
	var rest []result.Finding
	processes := 0
	for _, p := range m.Processes {
		if p.Service == worst.Service {
			processes++
		}
	}
	if processes > 1 {
		out.Instance = worst.Instance
	}
	for _, f := range found {
		if f.Kind != result.KindSelf && f.Kind != result.KindLink || f.Hop != worst.Service && f.Target != worst.Service {
			rest = append(rest, f)
			continue
		}
		out.BaselineMS, out.NowMS = out.BaselineMS+f.BaselineMS, out.NowMS+f.NowMS
		out.Share = stats.Round(out.Share + f.Share)
		out.Interval[0], out.Interval[1] = stats.Round(out.Interval[0]+f.Interval[0]), stats.Round(out.Interval[1]+f.Interval[1])
		if f.Hop == worst.Service && out.Operation == "" {
			out.Operation = f.Operation
		}
	}
	out.BaselineMS, out.NowMS = stats.Round(out.BaselineMS), stats.Round(out.NowMS)
	out.AddedMS = stats.Round(out.NowMS - out.BaselineMS)
	out.CounterfactualMS = stats.Round(math.Max(1000*c.NowMean()-out.AddedMS, 0))
	out.Evidence = fmt.Sprintf("frozen or starved at times: a scrape of it takes %.0f ms, %.1f ms before; its links are as late as its work", 1000*worst.now, 1000*worst.before)
	out.Cause = &result.Cause{Kind: result.CauseFrozen, Why: "its process is frozen or starved at times", Evidence: []result.Signal{
		{Signal: "scrape_duration_seconds of " + instanceOf(worst.Process), Before: stats.Round(worst.before), Now: stats.Round(worst.now), Unit: "s"}}}
	return append([]result.Finding{out}, rest...)
}

// stoodStill reports whether a process stood still more than before from a time on, by its
// own account. A process that keeps none may have: so may one that has not answered since.
func stoodStill(p evidence.Process, from time.Time) bool {
	rate := func(r []evidence.Reading) (float64, bool) {
		if len(r) < 2 {
			return 0, false
		}
		first, last := r[0], r[len(r)-1]
		return (last.Value - first.Value) / last.At.Sub(first.At).Seconds(), last.Value >= first.Value
	}
	i, _ := slices.BinarySearchFunc(p.Stalled, from, func(r evidence.Reading, at time.Time) int { return r.At.Compare(at) })
	now, known := rate(p.Stalled[max(i-1, 0):])
	before, _ := rate(p.Stalled[:i])
	return !known || now >= minStalled && now >= moreStalled*before
}

// scrapesOf returns the mean duration of a process's scrapes before a time and from it on,
// in seconds, and the number of the latter. Of those before, the longest tenth is left out.
func scrapesOf(p evidence.Process, from time.Time) (before, now float64, n int) {
	var base []float64
	for _, r := range p.Scrape {
		switch {
		case r.At.Before(from):
			base = append(base, r.Value)
		default:
			now, n = now+r.Value, n+1
		}
	}
	if len(base) == 0 || n == 0 {
		return 0, 0, 0
	}
	slices.Sort(base)
	base = base[:max(len(base)*9/10, 1)]
	for _, v := range base {
		before += v / float64(len(base))
	}
	return before, now / float64(n), n
}
