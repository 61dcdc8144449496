// Package detect finds the entries whose latency or failures have left their
// baseline.
package detect

import (
	"fmt"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// Baseline is a baseline that the caller chose; the zero Baseline is found by the
// levels of the series.
type Baseline struct{ From, To time.Time }

// Given reports whether the caller chose the baseline.
func (b Baseline) Given() bool { return !b.From.IsZero() }

// Latency is an entry's latency compared with its baseline.
type Latency struct {
	evidence.Change
	Raised bool
	Why    string // why nothing can be said; else empty
}

// OfLatency compares the latency of an entry with its baseline.
func OfLatency(m evidence.Metrics, e evidence.EntrySeries, b Baseline) Latency {
	l := Latency{Change: evidence.Change{Entry: e}}
	if b.Given() {
		l.Baseline, l.Now = given(m, b)
		before, now := l.Baseline.Sum(e.Count), l.Now.Sum(e.Count)
		switch {
		case before < stats.MinRequests:
			l.Why = fmt.Sprintf("the given baseline holds %.0f requests of %s; %d are needed to know what is normal", before, e.Operation, stats.MinRequests)
		case now < stats.MinRequests:
			l.Why = fmt.Sprintf("since the end of the given baseline there were %.0f requests of %s; %d are needed", now, e.Operation, stats.MinRequests)
		}
		l.Raised = l.Why == "" && l.Added() > 0 && stats.Matters(l.NowMean(), l.BaselineMean()) && stats.Significant(e.Sum, e.Count, l.Baseline, l.Now)
		return l
	}
	// Leading and trailing silence is no evidence.
	sum, count := e.Sum, e.Count
	if e.LevelCount != nil {
		sum, count = e.LevelSum, e.LevelCount
	}
	first, last := traffic(count)
	l.Now = evidence.Steps(first, last)
	l.Baseline = l.Now
	if last-first < 2*stats.MinSegment {
		return l
	}
	now, baseline, raised := stats.LatencyLevels(sum[first:last], count[first:last])
	if !raised {
		return l
	}
	l.Raised = true
	l.Baseline = shifted(baseline, first)
	l.Now = settled(l.Change, shifted(now, first))
	return l
}

// OfFailures compares the failures of an entry with its baseline and reports
// whether they rose. The returned change counts failures, not durations.
func OfFailures(m evidence.Metrics, e evidence.EntrySeries, b Baseline) (evidence.Change, bool) {
	served := served(m, e.Service, e.Operation)
	if served == nil || e.Flow == "async" {
		return evidence.Change{}, false
	}
	c := evidence.Change{Entry: evidence.EntrySeries{Entry: e.Entry, Sum: served.Failed, Count: served.Count}}
	if b.Given() {
		c.Baseline, c.Now = given(m, b)
	} else {
		failed, count := served.Failed, served.Count
		if served.LevelCount != nil {
			failed, count = served.LevelFailed, served.LevelCount
		}
		first, last := traffic(count)
		if last-first < 2*stats.MinSegment {
			return evidence.Change{}, false
		}
		now, baseline := stats.FailureLevels(failed[first:last], count[first:last])
		if now == nil {
			return evidence.Change{}, false
		}
		c.Now, c.Baseline = shifted(now, first), shifted(baseline, first)
	}
	bursts := 0
	for _, i := range c.Now {
		if served.Failed[i] > 0 {
			bursts++
		}
	}
	rose := stats.MoreFail(c.Baseline.Sum(served.Failed), c.Baseline.Sum(served.Count), c.Now.Sum(served.Failed), c.Now.Sum(served.Count))
	return c, rose && bursts >= minErrorSteps
}

// minErrorSteps is the number of steps with failures that make a level: one burst
// is none.
const minErrorSteps = 3

func served(m evidence.Metrics, service, operation string) *evidence.CallSeries {
	for i, c := range m.Calls {
		if c.Dependency == "" && c.Service == service && c.Operation == operation {
			return &m.Calls[i]
		}
	}
	return nil
}

// given returns the steps of the baseline that the caller chose, and those after
// it.
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

// traffic returns the first step with requests and the one after the last.
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

func shifted(steps []int, by int) evidence.Window {
	out := make(evidence.Window, len(steps))
	for i, s := range steps {
		out[i] = s + by
	}
	return out
}

// settled leaves out the first steps of a raised level, in which requests still
// end that began before it: until as many slow ones are under way at the window's
// start as at its end, the hops' sums run ahead of the entry's.
func settled(c evidence.Change, now evidence.Window) evidence.Window {
	sum, count := c.Entry.Sum, c.Entry.Count
	half := now[len(now)/2:].Mean(sum, count)
	border := c.BaselineMean() + .7*(half-c.BaselineMean())
	for len(now) > 2*stats.MinSegment && (count[now[0]] == 0 || sum[now[0]]/count[now[0]] < border) {
		now = now[1:]
	}
	return now
}
