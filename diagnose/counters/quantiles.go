package counters

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus"
)

// maxHistograms bounds the histograms whose quantile is computed.
const maxHistograms = 20

// histogramsOf returns the histograms of an entry's duration: its own or, if it has
// none, those of the flow's completion or of the hop.
func histogramsOf(e evidence.EntrySeries) []evidence.Histogram {
	switch {
	case len(e.Histograms) > 0:
		return e.Histograms[:min(len(e.Histograms), maxHistograms)]
	case e.Consumer != nil:
		return []evidence.Histogram{{Family: completion, Unit: 1, Matchers: fmt.Sprintf(`service_name=%q, operation=%q, entry=%q`,
			e.Consumer.Service, e.Consumer.Operation, e.Operation)}}
	}
	return []evidence.Histogram{{Family: hopTime, Unit: 1, Matchers: fmt.Sprintf(`service_name=%q, operation=%q, entry=%q, flow="request"`,
		e.Service, e.Operation, e.Operation)}}
}

// P95 returns the 95th percentile, in seconds, of an entry's duration over all given
// ranges. It interpolates linearly within a bucket, as histogram_quantile does. Where
// there are no classic buckets, Prometheus computes it from native ones. The result is
// NaN if there were no requests, or no buckets.
func P95(ctx context.Context, c *prometheus.Client, e evidence.EntrySeries, during []result.Range) (float64, error) {
	below := map[string]float64{}
	histograms := histogramsOf(e)
	unit := histograms[0].Unit
	for _, r := range during {
		for _, h := range histograms {
			found, err := c.Instant(ctx, fmt.Sprintf(`sum by (le) (increase(%s_bucket{%s}[%dms]))`, h.Family, h.Matchers, length(r)), r.To)
			if err != nil {
				return 0, err
			}
			for _, f := range found {
				below[f.Labels["le"]] += f.Value
			}
		}
	}
	q, err := quantile(.95, below)
	if err != nil || !math.IsNaN(q) {
		return q * unit, err
	}
	q, err = nativeQuantile(ctx, c, histograms, during)
	return q * unit, err
}

// length returns the milliseconds of a range, which holds at least two samples.
func length(r result.Range) int64 { return max(r.To.Sub(r.From), 2*minStep).Milliseconds() }

// nativeQuantile returns the 95th percentile of native histograms over all ranges, or
// NaN if there are none.
func nativeQuantile(ctx context.Context, c *prometheus.Client, histograms []evidence.Histogram, during []result.Range) (float64, error) {
	if len(during) == 0 {
		return math.NaN(), nil
	}
	last := slices.MaxFunc(during, func(a, b result.Range) int { return a.To.Compare(b.To) }).To
	var parts []string
	for _, h := range histograms {
		for _, r := range during {
			parts = append(parts, fmt.Sprintf(`label_replace(sum(increase(%s{%s}[%dms] offset %dms)), "part", "%d", "", "")`,
				h.Family, h.Matchers, length(r), last.Sub(r.To).Milliseconds(), len(parts)))
		}
	}
	found, err := c.Instant(ctx, fmt.Sprintf(`histogram_quantile(0.95, sum(%s))`, strings.Join(parts, " or ")), last)
	if err != nil || len(found) == 0 {
		return math.NaN(), err
	}
	return found[0].Value, nil
}

// quantile returns a quantile by linear interpolation within its bucket. below maps the
// upper bound of each bucket to the number of observations up to it.
func quantile(q float64, below map[string]float64) (float64, error) {
	bounds := make([]float64, 0, len(below))
	at := map[float64]float64{}
	for le, n := range below {
		bound, err := parseBound(le)
		if err != nil {
			return 0, err
		}
		bounds = append(bounds, bound)
		at[bound] += n // libraries write 1 or 1.0
	}
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	if len(bounds) == 0 || !(at[bounds[len(bounds)-1]] > 0) {
		return math.NaN(), nil
	}
	want := q * at[bounds[len(bounds)-1]]
	low, n := 0.0, 0.0
	for _, b := range bounds {
		if at[b] >= want {
			if math.IsInf(b, 1) || at[b] == n {
				return low, nil
			}
			return low + (b-low)*(want-n)/(at[b]-n), nil
		}
		low, n = b, at[b]
	}
	return low, nil
}

func parseBound(le string) (float64, error) {
	v, err := strconv.ParseFloat(le, 64)
	if err != nil {
		return 0, fmt.Errorf("bucket bound le=%q is not a number", le)
	}
	return v, nil
}
