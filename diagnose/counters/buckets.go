package counters

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/query/prometheus"
)

// Limits of the histograms that are read by step, and the time before the first step from
// which they are summed: slow requests are rare, so a longer time tells what is usual.
const (
	mostBuckets = 8 // entries
	longBefore  = 25 * time.Minute
)

// nativeBounds are the bounds, in seconds, by which native histograms are read.
var nativeBounds = []float64{.01, .025, .05, .1, .2, .4, .8, 1.6, 3.2, 6.4, 12.8}

// buckets reads the histograms of the busiest entries. Entries without any keep none.
func (t table) buckets(ctx context.Context, r *reader, entries []evidence.EntrySeries) error {
	var order []int
	for i, e := range entries {
		if e.Flow == "" && total(e.Count) > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(total(entries[b].Count), total(entries[a].Count)) })
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(maxQueries)
	for _, i := range order[:min(len(order), mostBuckets)] {
		g.Go(func() (err error) {
			entries[i].Buckets, err = t.bucketsOf(ctx, r, entries[i])
			return err
		})
	}
	return g.Wait()
}

// bucketsOf reads the histogram of an entry, or returns nil if it has none.
func (t table) bucketsOf(ctx context.Context, r *reader, e evidence.EntrySeries) (*evidence.Buckets, error) {
	byBound, before := map[float64][]float64{}, map[float64]float64{}
	for _, h := range histogramsOf(e) {
		found, err := r.bucketSeries(ctx, h)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.Family, err)
		}
		for _, s := range found {
			bound, err := parseBound(s.Labels["le"])
			if err != nil {
				return nil, err
			}
			byBound[bound*h.Unit] = t.scraped(byBound[bound*h.Unit], s)
		}
		if len(found) == 0 {
			continue
		}
		earlier, err := r.c.Instant(ctx, fmt.Sprintf(`sum by (le) (increase(%s_bucket{%s}[%dms]))`, h.Family, h.Matchers, longBefore.Milliseconds()), t.start)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.Family, err)
		}
		for _, v := range earlier {
			if bound, err := parseBound(v.Labels["le"]); err == nil {
				before[bound*h.Unit] += v.Value
			}
		}
	}
	if len(byBound) < 2 {
		return nil, nil
	}
	b := &evidence.Buckets{}
	complete := len(before) == len(byBound)
	for bound := range byBound {
		b.Bounds = append(b.Bounds, bound)
	}
	slices.Sort(b.Bounds)
	if !math.IsInf(b.Bounds[len(b.Bounds)-1], 1) {
		return nil, nil
	}
	for _, bound := range b.Bounds {
		b.Counts = append(b.Counts, byBound[bound])
		if complete {
			b.Before = append(b.Before, before[bound])
		}
	}
	return b, nil
}

// bucketSeries reads the buckets of a histogram, with their upper bounds in the label le.
// Where there are no classic ones, those of native histograms are computed for some bounds.
func (r *reader) bucketSeries(ctx context.Context, h evidence.Histogram) ([]prometheus.Series, error) {
	found, err := samples(ctx, r.c, fmt.Sprintf("%s_bucket{%s}", h.Family, h.Matchers), r.start, r.end, r.every)
	if err != nil || len(found) > 0 || r.present[h.Family] == 0 {
		return found, err
	}
	var parts []string
	selector := fmt.Sprintf("%s{%s}", h.Family, h.Matchers)
	for _, bound := range nativeBounds {
		bound /= h.Unit
		parts = append(parts, fmt.Sprintf(`label_replace(histogram_fraction(0, %g, %s) * histogram_count(%s), "le", "%g", "", "")`, bound, selector, selector, bound))
	}
	parts = append(parts, fmt.Sprintf(`label_replace(histogram_count(%s), "le", "+Inf", "", "")`, selector))
	step := max(r.every, minStep, (r.end.Sub(r.start) / maxSteps).Round(time.Second))
	found, err = r.c.Range(ctx, strings.Join(parts, " or "), r.start, r.end, step)
	return labelled(found), err
}
