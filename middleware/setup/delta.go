package setup

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// delta turns cumulative counters and histograms into differences from the last push that
// arrived: a push that failed is part of the next one. The first difference of a series is
// its value since its start. Gauges and summaries stay as they are. It is not safe for
// concurrent use: a reader makes one push at a time.
type delta struct {
	before map[seriesKey]point // of the last push that arrived
	now    map[seriesKey]point // of the push that is made
	fresh  int                 // series of now that are not in before
	limit  int                 // of series
	over   func(series int)    // counts the series beyond the limit, of each push
}

// maxDeltaSeries limits the state of a delta. It is ten times the limit of a family of the
// middleware; a registry with more series is better pushed as cumulative values.
const maxDeltaSeries = 20_000

type seriesKey struct {
	name   string
	labels attribute.Distinct
}

// point is the last cumulative value of a series.
type point struct {
	at       time.Time
	start    time.Time
	value    float64 // of a counter, or the sum of a histogram
	count    uint64
	buckets  []uint64
	positive exponential
	negative exponential
	zero     uint64
}

func newDelta() *delta {
	return &delta{before: map[seriesKey]point{}, now: map[seriesKey]point{}, limit: maxDeltaSeries, over: func(int) {}}
}

// begin starts a push. What the one before stored is dropped unless it arrived.
func (d *delta) begin() { d.now, d.fresh = make(map[seriesKey]point, len(d.before)), 0 }

// arrived ends a push. Series that were not in it are new when they come back.
func (d *delta) arrived() { d.before, d.now = d.now, nil }

// bounded keeps the data points of series within the limit. A series that has been pushed
// goes before a new one.
func bounded[P any](d *delta, name string, points []P, labels func(*P) attribute.Set) []P {
	kept := points[:0]
	for i := range points {
		set := labels(&points[i])
		if _, known := d.before[seriesKey{name, set.Equivalent()}]; !known {
			if len(d.before)+d.fresh >= d.limit {
				continue
			}
			d.fresh++
		}
		kept = append(kept, points[i])
	}
	if over := len(points) - len(kept); over > 0 {
		d.over(over)
	}
	return kept
}

// last returns the value of the push before, and stores the value of this one. A series
// that was restarted since has none.
func (d *delta) last(name string, labels attribute.Set, p point) point {
	k := seriesKey{name, labels.Equivalent()}
	d.now[k] = p
	b, ok := d.before[k]
	if !ok || p.count < b.count || p.value < b.value && p.count == 0 || p.start.After(b.at) {
		return point{at: p.start}
	}
	return b
}

func (d *delta) convert(name string, data metricdata.Aggregation) metricdata.Aggregation {
	switch a := data.(type) {
	case metricdata.Sum[float64]:
		if !a.IsMonotonic {
			return a
		}
		a.DataPoints = bounded(d, name, a.DataPoints, func(p *metricdata.DataPoint[float64]) attribute.Set { return p.Attributes })
		for i := range a.DataPoints {
			p := &a.DataPoints[i]
			b := d.last(name, p.Attributes, point{at: p.Time, start: p.StartTime, value: p.Value})
			p.Value, p.StartTime, p.Exemplars = p.Value-b.value, b.at, since(p.Exemplars, b.at)
		}
		a.Temporality = metricdata.DeltaTemporality
		return a
	case metricdata.Histogram[float64]:
		a.DataPoints = bounded(d, name, a.DataPoints, func(p *metricdata.HistogramDataPoint[float64]) attribute.Set { return p.Attributes })
		for i := range a.DataPoints {
			p := &a.DataPoints[i]
			b := d.last(name, p.Attributes, point{at: p.Time, start: p.StartTime, value: p.Sum, count: p.Count, buckets: p.BucketCounts})
			p.BucketCounts = differences(p.BucketCounts, b.buckets)
			p.Count, p.Sum, p.StartTime, p.Exemplars = p.Count-b.count, p.Sum-b.value, b.at, since(p.Exemplars, b.at)
		}
		a.Temporality = metricdata.DeltaTemporality
		return a
	case metricdata.ExponentialHistogram[float64]:
		a.DataPoints = bounded(d, name, a.DataPoints, func(p *metricdata.ExponentialHistogramDataPoint[float64]) attribute.Set { return p.Attributes })
		for i := range a.DataPoints {
			p := &a.DataPoints[i]
			positive, negative := exponential{p.Scale, p.PositiveBucket}, exponential{p.Scale, p.NegativeBucket}
			b := d.last(name, p.Attributes, point{at: p.Time, start: p.StartTime, value: p.Sum, count: p.Count, zero: p.ZeroCount, positive: positive, negative: negative})
			p.PositiveBucket, p.NegativeBucket = positive.minus(b.positive), negative.minus(b.negative)
			p.ZeroCount -= min(p.ZeroCount, b.zero)
			p.Count, p.Sum, p.StartTime, p.Exemplars = p.Count-b.count, p.Sum-b.value, b.at, since(p.Exemplars, b.at)
		}
		a.Temporality = metricdata.DeltaTemporality
		return a
	}
	return data
}

// since returns the exemplars that are not older than t, which an earlier push had.
func since(exemplars []metricdata.Exemplar[float64], t time.Time) []metricdata.Exemplar[float64] {
	var out []metricdata.Exemplar[float64]
	for _, e := range exemplars {
		if !e.Time.Before(t) {
			out = append(out, e)
		}
	}
	return out
}

// differences returns now minus before, in a new slice: now is the next push's before.
func differences(now, before []uint64) []uint64 {
	out := make([]uint64, len(now))
	copy(out, now)
	if len(before) == len(now) {
		for i := range out {
			out[i] -= min(out[i], before[i])
		}
	}
	return out
}

// exponential holds the buckets of a scale.
type exponential struct {
	scale int32
	metricdata.ExponentialBucket
}

// minus returns the buckets of e without those of before. The scale of a histogram falls
// when it grows beyond its limit of buckets, so those of before are merged to e's scale.
// (OpenTelemetry data model, "Exponential Scale": a bucket i of scale s is in bucket
// i>>1 of scale s-1.)
func (e exponential) minus(before exponential) metricdata.ExponentialBucket {
	out := metricdata.ExponentialBucket{Offset: e.Offset, Counts: append([]uint64(nil), e.Counts...)}
	shift := before.scale - e.scale
	if shift < 0 {
		return out // a reset with a finer scale
	}
	for i, n := range before.Counts {
		at := int((before.Offset+int32(i))>>shift - e.Offset)
		if at >= 0 && at < len(out.Counts) {
			out.Counts[at] -= min(out.Counts[at], n)
		}
	}
	return out
}
