package evidence

import (
	"math"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// Change compares an entry's present level with its baseline. Sum and Count of
// the entry are durations in seconds and requests, or failures and requests.
type Change struct {
	Entry         EntrySeries
	Now, Baseline Window
}

// NowMean returns the mean of the present level.
func (c Change) NowMean() float64 { return c.Now.Mean(c.Entry.Sum, c.Entry.Count) }

// BaselineMean returns the mean of the baseline.
func (c Change) BaselineMean() float64 { return c.Baseline.Mean(c.Entry.Sum, c.Entry.Count) }

// Added returns by how much the mean has grown.
func (c Change) Added() float64 { return c.NowMean() - c.BaselineMean() }

// Lost returns what all requests of the entry lose together, per step.
func (c Change) Lost() float64 {
	return c.Added() * c.Now.Sum(c.Entry.Count) / math.Max(float64(len(c.Now)), 1)
}

// BaselineLength returns how much time the baseline holds.
func (c Change) BaselineLength(m Metrics) time.Duration {
	return time.Duration(len(c.Baseline)) * m.Step
}

// PerRequest returns a series' sum per request of the entry, in the baseline and
// now.
func (c Change) PerRequest(v []float64) (baseline, now float64) {
	return c.Baseline.Sum(v) / c.Baseline.Sum(c.Entry.Count), c.Now.Sum(v) / c.Now.Sum(c.Entry.Count)
}

// comparedOver is the stretch of time over which a p95 is measured to compare it
// with a predicted one.
const comparedOver = 20 * time.Second

// BaselineLogStdDev returns the standard deviation of the logarithm of the
// entry's mean between stretches of the baseline.
func (c Change) BaselineLogStdDev(m Metrics) float64 {
	length := max(int(comparedOver/m.Step), 1)
	var means []float64
	for i := 0; i+length <= len(c.Baseline); i += length {
		means = append(means, c.Baseline[i:i+length].Mean(c.Entry.Sum, c.Entry.Count))
	}
	return stats.LogStdDev(means)
}

// Describe sets entry, means, windows and numbers of requests of a result.
func (c Change) Describe(m Metrics, r *result.Result) {
	r.Entry = c.Entry.Entry
	r.BaselineLogStdDev = c.BaselineLogStdDev(m)
	r.BaselineMS, r.NowMS = stats.Round(c.BaselineMean()*1000), stats.Round(c.NowMean()*1000)
	r.AddedMS = stats.Round(c.Added() * 1000)
	r.Requests = result.Requests{Baseline: int(c.Baseline.Sum(c.Entry.Count)), Now: int(c.Now.Sum(c.Entry.Count))}
	if len(c.Now) > 0 {
		r.Window = result.Range{From: m.At(c.Now[0]), To: m.At(c.Now[len(c.Now)-1] + 1)}
	}
	if len(c.Baseline) > 0 {
		r.Baseline = result.Range{From: m.At(c.Baseline[0]), To: m.At(c.Baseline[len(c.Baseline)-1] + 1)}
		if parts := c.Baseline.Ranges(m); len(parts) > 1 {
			r.BaselineParts = parts
		}
	}
}
