package evidence

import (
	"math"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// Change compares an entry's present level with its baseline. Entry.Count holds
// requests; Entry.Sum holds their durations in seconds, or the number that failed.
type Change struct {
	Entry         EntrySeries
	Now, Baseline Window
}

// NowMean returns the mean of the present level: seconds per request, or a failure ratio.
func (c Change) NowMean() float64 { return c.Now.Mean(c.Entry.Sum, c.Entry.Count) }

// BaselineMean returns the mean of the baseline, in the unit of NowMean.
func (c Change) BaselineMean() float64 { return c.Baseline.Mean(c.Entry.Sum, c.Entry.Count) }

// Added returns the growth of the mean, in the unit of NowMean.
func (c Change) Added() float64 { return c.NowMean() - c.BaselineMean() }

// Grew reports whether the mean has grown by so much that it matters.
func (c Change) Grew() bool {
	return c.Added() > 0 && stats.Matters(c.NowMean(), c.BaselineMean())
}

// Lost returns the growth of the mean times the requests per step.
func (c Change) Lost() float64 {
	return c.Added() * c.Now.Sum(c.Entry.Count) / math.Max(float64(len(c.Now)), 1)
}

// BaselineLength returns the total length of the baseline's steps.
func (c Change) BaselineLength(m Metrics) time.Duration {
	return time.Duration(len(c.Baseline)) * m.Step
}

// PerRequest returns the sum of v divided by the entry's requests, for the baseline
// and for now.
func (c Change) PerRequest(v []float64) (baseline, now float64) {
	return c.Baseline.Sum(v) / c.Baseline.Sum(c.Entry.Count), c.Now.Sum(v) / c.Now.Sum(c.Entry.Count)
}

// meanInterval is the length of the intervals whose means BaselineLogStdDev
// compares. A drill measures the p95 after recovery over the same length.
const meanInterval = 20 * time.Second

// BaselineLogStdDev returns the standard deviation of log(mean) over the baseline,
// with one mean per 20 s. It is 0 for fewer than two means.
func (c Change) BaselineLogStdDev(m Metrics) float64 {
	length := max(int(meanInterval/m.Step), 1)
	var means []float64
	for i := 0; i+length <= len(c.Baseline); i += length {
		means = append(means, c.Baseline[i:i+length].Mean(c.Entry.Sum, c.Entry.Count))
	}
	return stats.LogStdDev(means)
}

// Describe sets the entry, the means, the windows and the numbers of requests of r.
func (c Change) Describe(m Metrics, r *result.Result) {
	r.Entry = c.Entry.Entry
	r.BaselineLogStdDev = c.BaselineLogStdDev(m)
	r.BaselineMS, r.NowMS = stats.Round(c.BaselineMean()*1000), stats.Round(c.NowMean()*1000)
	r.AddedMS = stats.Round(c.Added() * 1000)
	r.Requests = result.Requests{Baseline: int(math.Round(c.Baseline.Sum(c.Entry.Count))), Now: int(math.Round(c.Now.Sum(c.Entry.Count)))}
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
