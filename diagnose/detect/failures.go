package detect

import (
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// lookBack is the number of steps for which a failure ratio that had risen is looked
// for.
const lookBack = 5

// Failures is the result of comparing an entry's failure ratio with its baseline.
// Entry.Sum of the change counts failures.
type Failures struct {
	evidence.Change
	Rose bool // whether the ratio has risen

	// Doubt reports that the newest steps fail more often, for too short a time to be
	// sure. Now then holds these steps.
	Doubt bool
}

// OfFailures compares the failure ratio of an entry with its baseline. If b is zero, the
// levels come from stats.FailureLevels, and a ratio that had risen stays so until enough
// steps are nearer to the baseline. The result is zero for an entry without counts.
func OfFailures(m evidence.Metrics, e evidence.EntrySeries, b Baseline) Failures {
	served := served(m, e.Service, e.Operation)
	if served == nil || e.Flow == "async" {
		return Failures{}
	}
	f := Failures{Change: evidence.Change{Entry: evidence.EntrySeries{Entry: e.Entry, Sum: served.Failed, Count: served.Count}}}
	if b.Given() {
		f.Baseline, f.Now = given(m, b)
		f.Rose = rose(m, f.Change)
		return f
	}
	failed, count := served.Failed, served.Count
	if served.LevelCount != nil {
		failed, count = served.LevelFailed, served.LevelCount
	}
	first, last := traffic(count)
	for back := 0; back <= lookBack && last-back-first >= 2*stats.MinSegment; back++ {
		to := last - back
		now, baseline := stats.FailureLevels(failed[first:to], count[first:to])
		c := f.Change
		c.Now, c.Baseline = m.Known(shifted(now, first)), m.Known(shifted(baseline, first))
		if now == nil || !rose(m, c) {
			continue
		}
		tail := evidence.Steps(to, last)
		if over := back >= atLeast(m) && tail.Mean(failed, count) < (c.BaselineMean()+c.NowMean())/2; over {
			break
		}
		c.Now = m.Known(append(c.Now, tail...))
		return Failures{Change: c, Rose: true}
	}
	f.Now = evidence.Steps(max(last-max(atLeast(m)-1, 1), first), last)
	f.Baseline = evidence.Steps(first, last-len(f.Now))
	f.Doubt = stats.MoreFail(f.Baseline.Sum(failed), f.Baseline.Sum(count), f.Now.Sum(failed), f.Now.Sum(count))
	f.Entry.Sum, f.Entry.Count = failed, count
	return f
}

// rose reports whether the failure ratio of a change has risen. A single burst does not
// raise it.
func rose(m evidence.Metrics, c evidence.Change) bool {
	failing := 0
	for _, i := range c.Now {
		if c.Entry.Sum[i] > 0 {
			failing++
		}
	}
	return failing >= atLeast(m) && stats.MoreFail(c.Baseline.Sum(c.Entry.Sum), c.Baseline.Sum(c.Entry.Count), c.Now.Sum(c.Entry.Sum), c.Now.Sum(c.Entry.Count))
}
