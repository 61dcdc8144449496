// Package detect reports whether the latency or the failure ratio of an entry has
// left its baseline.
package detect

import (
	"fmt"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// Baseline is the range of time that the caller chose as the baseline. If it is
// zero, the baseline is derived from the levels of the series.
type Baseline struct{ From, To time.Time }

// Given reports whether the caller chose the baseline.
func (b Baseline) Given() bool { return !b.From.IsZero() }

// Latency is the result of comparing an entry's latency with its baseline.
type Latency struct {
	evidence.Change
	Raised bool            // whether the latency has left the baseline
	Why    string          // reason why the two cannot be compared, or ""
	Past   evidence.Window // the last earlier spike, or nil

	// Doubt reports that the newest steps are slower than the baseline, but by too little
	// or for too short a time. Now then holds these steps.
	Doubt bool
}

// fineStep is the length from which two raised steps are enough for a raised level.
// Shorter ones are three, so that a pause of the process is not a level.
const fineStep = 5 * time.Second

// atLeast returns the minimum number of steps of a raised level.
func atLeast(m evidence.Metrics) int {
	if m.Step >= fineStep {
		return 2
	}
	return 3
}

// splittable returns the number of known steps from which a raised level can be divided
// between hops. The onset is at another part of the first long step for each target.
func splittable(m evidence.Metrics) int {
	if m.Step > fineStep {
		return 2
	}
	return 1
}

// OfLatency compares the latency of an entry with its baseline. If b is zero, the
// levels come from stats.LatencyLevels.
func OfLatency(m evidence.Metrics, e evidence.EntrySeries, b Baseline) Latency {
	l := Latency{Change: evidence.Change{Entry: e}}
	if b.Given() {
		l.Baseline, l.Now = given(m, b)
		before, now := l.Baseline.Sum(e.Count), l.Now.Sum(e.Count)
		switch {
		case before < stats.MinRequests:
			l.Why = fmt.Sprintf("the given baseline holds %.0f requests of %s; %d are needed to know what is normal",
				before, e.Operation, stats.MinRequests)
		case now < stats.MinRequests:
			l.Why = fmt.Sprintf("since the end of the given baseline there were %.0f requests of %s; %d are needed",
				now, e.Operation, stats.MinRequests)
		}
		l.Raised = l.Why == "" && l.Grew() && stats.Significant(e.Sum, e.Count, l.Baseline, l.Now, atLeast(m))
		return l
	}
	// Steps before the first and after the last request are left out.
	sum, count := e.Sum, e.Count
	if e.LevelCount != nil {
		sum, count = e.LevelSum, e.LevelCount
	}
	first, last := traffic(count)
	first = min(first, m.Steps)
	l.Now = evidence.Steps(first, min(last, m.Steps))
	l.Baseline = l.Now
	if last-first < 2*stats.MinSegment {
		return l
	}
	levels := stats.LatencyLevels(sum[first:last], count[first:last], atLeast(m))
	l.Baseline = m.Known(shifted(levels.Baseline, first))
	if len(l.Baseline) == 0 {
		l.Baseline = l.Now
	}
	now := m.Known(shifted(levels.Now, first))
	l.Past = m.Known(shifted(levels.Past, first))
	switch {
	case levels.Raised && len(now) >= splittable(m):
		l.Raised, l.Now = true, now
		l.Now = settled(l.Change, now)
	case levels.Raised || levels.Newest != nil:
		l.Doubt = true
		l.Entry.Sum, l.Entry.Count = sum, count
		l.Now = shifted(levels.Newest, first)
		if levels.Raised {
			l.Now = shifted(levels.Now, first)
		}
	default:
		l.Now = calm(levels, first, min(last, m.Steps))
		l.Baseline = l.Now
	}
	return l
}

// calm returns the steps of [first, last) that are not those of a spike which is over.
func calm(levels stats.Levels, first, last int) evidence.Window {
	out := slices.Concat(shifted(levels.Baseline, first), shifted(levels.Now, first))
	slices.Sort(out)
	out = slices.DeleteFunc(slices.Compact(out), func(i int) bool { return i >= last || slices.Contains(levels.Past, i-first) })
	if len(out) == 0 {
		return evidence.Steps(first, last)
	}
	return out
}

// served returns the requests served by an operation, or nil.
func served(m evidence.Metrics, service, operation string) *evidence.CallSeries {
	for i, c := range m.Calls {
		if c.Dependency == "" && c.Service == service && c.Operation == operation {
			return &m.Calls[i]
		}
	}
	return nil
}

// given returns the steps within the chosen baseline and the steps after it.
func given(m evidence.Metrics, b Baseline) (baseline, now evidence.Window) {
	for i := range m.Steps {
		switch at := m.At(i); {
		case !at.Before(b.From) && at.Before(b.To):
			baseline = append(baseline, i)
		case !at.Before(b.To):
			now = append(now, i)
		}
	}
	return baseline, now
}

// traffic returns the range [first, last) of steps outside which count is zero.
func traffic(count []float64) (first, last int) {
	last = len(count)
	for first < last && count[first] == 0 {
		first++
	}
	for last > first && count[last-1] == 0 {
		last--
	}
	return first, last
}

// shifted returns the steps moved by a number of steps.
func shifted(steps []int, by int) evidence.Window {
	out := make(evidence.Window, len(steps))
	for i, s := range steps {
		out[i] = s + by
	}
	return out
}

// settled returns a raised level without its first steps, in which requests that
// began before the onset still end. Until the number of slow requests in flight is
// constant, the sums of the hops grow faster than those of the entry.
func settled(c evidence.Change, now evidence.Window) evidence.Window {
	sum, count := c.Entry.Sum, c.Entry.Count
	half := now[len(now)/2:].Mean(sum, count)
	border := c.BaselineMean() + .7*(half-c.BaselineMean())
	for len(now) > 2*stats.MinSegment && (count[now[0]] == 0 || sum[now[0]]/count[now[0]] < border) {
		now = now[1:]
	}
	return now
}
