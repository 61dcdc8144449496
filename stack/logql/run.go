package logql

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Run applies the pipeline to an entry and reports whether the entry passes.
func (q LogQuery) Run(e *Entry) bool {
	for _, stage := range q.Stages {
		if !stage(e) {
			return false
		}
	}
	return true
}

// Series is a series in the result of a metric query. Points are ordered by time.
type Series struct {
	Labels map[string]string
	Points []Point
}

// Point is a value at a time.
type Point struct {
	At    time.Time
	Value float64
}

// sample is the value of a line.
type sample struct {
	at    int64 // Unix nanoseconds
	value float64
}

type bucket struct {
	labels  map[string]string
	samples []sample
}

// Evaluator evaluates a metric query. Call Add for each line, in any order, then
// Result.
type Evaluator struct {
	query   MetricQuery
	buckets map[string]*bucket
	lines   int
}

// Limits of a metric query. It takes 16 bytes per line, and some hundred bytes per
// series and per point of the result.
const (
	MaxLines  = 2_000_000
	MaxSeries = 500 // as in Loki
	MaxPoints = 1_000_000
)

// NewEvaluator returns an evaluator of q.
func NewEvaluator(q MetricQuery) *Evaluator {
	return &Evaluator{query: q, buckets: map[string]*bucket{}}
}

// Add adds a line that passed the pipeline. It fails beyond MaxLines or MaxSeries.
func (v *Evaluator) Add(at time.Time, e *Entry) error {
	value := 1.0
	switch {
	case v.query.Unwrap != "":
		var err error
		if value, err = strconv.ParseFloat(e.Labels[v.query.Unwrap], 64); err != nil {
			return nil // not a number: Loki skips such lines
		}
		delete(e.Labels, v.query.Unwrap)
	case strings.HasPrefix(v.query.Function, "bytes"):
		value = float64(len(e.Line))
	}
	labels := v.group(e.Labels)
	key := Key(labels)
	b := v.buckets[key]
	if b == nil {
		if len(v.buckets) == MaxSeries {
			return fmt.Errorf("maximum of series (%d) reached for a single query; name fewer labels, or put series together with sum by", MaxSeries)
		}
		b = &bucket{labels: labels}
		v.buckets[key] = b
	}
	b.samples = append(b.samples, sample{at.UnixNano(), value})
	if v.lines++; v.lines > MaxLines {
		return fmt.Errorf("more than %d lines; use a shorter range or a narrower selector", MaxLines)
	}
	return nil
}

// group returns the labels of the series that a line belongs to. Only a sum can be
// grouped while lines are added. Other aggregations need separate series.
func (v *Evaluator) group(labels map[string]string) map[string]string {
	if v.query.Aggregate != "sum" {
		return labels
	}
	return v.query.project(labels)
}

func (q MetricQuery) project(labels map[string]string) map[string]string {
	out := map[string]string{}
	for k, val := range labels {
		if slices.Contains(q.By, k) != q.Without {
			out[k] = val
		}
	}
	return out
}

// Result returns the points from start to end at intervals of step. It fails
// beyond MaxPoints, or if ctx ends.
func (v *Evaluator) Result(ctx context.Context, start, end time.Time, step time.Duration) ([]Series, error) {
	var out []Series
	points := 0
	for _, b := range v.buckets {
		slices.SortFunc(b.samples, func(a, c sample) int { return cmp.Compare(a.at, c.at) })
		s := Series{Labels: b.labels}
		for at := start; !at.After(end); at = at.Add(step) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if value, ok := v.query.at(b.samples, at); ok {
				s.Points = append(s.Points, Point{at, value})
			}
		}
		if points += len(s.Points); points > MaxPoints {
			return nil, fmt.Errorf("more than %d points in all series; use a larger step or a shorter range", MaxPoints)
		}
		if len(s.Points) > 0 {
			out = append(out, s)
		}
	}
	out = v.query.aggregate(out)
	for _, s := range out {
		for i := range s.Points {
			s.Points[i].Value *= v.query.Factor
		}
	}
	slices.SortFunc(out, func(a, b Series) int { return cmp.Compare(Key(a.Labels), Key(b.Labels)) })
	return out, ctx.Err()
}

// at returns the value over (at-q.Range, at], and false if it has no samples.
func (q MetricQuery) at(samples []sample, at time.Time) (float64, bool) {
	after := func(s sample, t int64) int {
		if s.at > t {
			return 1
		}
		return -1
	}
	from, _ := slices.BinarySearchFunc(samples, at.Add(-q.Range).UnixNano(), after)
	to, _ := slices.BinarySearchFunc(samples, at.UnixNano(), after)
	if from >= to {
		return 0, false
	}
	sum, least, most := 0.0, math.Inf(1), math.Inf(-1)
	for _, s := range samples[from:to] {
		sum += s.value
		least, most = min(least, s.value), max(most, s.value)
	}
	switch q.Function {
	case "rate", "bytes_rate":
		return sum / q.Range.Seconds(), true
	case "avg_over_time":
		return sum / float64(to-from), true
	case "min_over_time":
		return least, true
	case "max_over_time":
		return most, true
	default: // count_over_time, bytes_over_time, sum_over_time
		return sum, true
	}
}

// aggregate combines the series at each time.
func (q MetricQuery) aggregate(in []Series) []Series {
	switch q.Aggregate {
	case "", "sum": // Add has grouped the lines of a sum
		return in
	case "topk", "bottomk":
		return q.top(in)
	}
	type cell struct{ sum, least, most, count float64 }
	groups := map[string]map[string]string{}
	cells := map[string]map[time.Time]*cell{}
	for _, s := range in {
		labels := q.project(s.Labels)
		key := Key(labels)
		if groups[key] == nil {
			groups[key], cells[key] = labels, map[time.Time]*cell{}
		}
		for _, p := range s.Points {
			c := cells[key][p.At]
			if c == nil {
				c = &cell{least: p.Value, most: p.Value}
				cells[key][p.At] = c
			}
			c.sum, c.count = c.sum+p.Value, c.count+1
			c.least, c.most = min(c.least, p.Value), max(c.most, p.Value)
		}
	}
	var out []Series
	for key, labels := range groups {
		s := Series{Labels: labels}
		for at, c := range cells[key] {
			value := map[string]float64{"avg": c.sum / c.count, "min": c.least, "max": c.most, "count": c.count}[q.Aggregate]
			s.Points = append(s.Points, Point{at, value})
		}
		slices.SortFunc(s.Points, func(a, b Point) int { return a.At.Compare(b.At) })
		out = append(out, s)
	}
	return out
}

// top returns the largest or smallest series at each time.
func (q MetricQuery) top(in []Series) []Series {
	type ranked struct {
		series int
		point  Point
	}
	at := map[time.Time][]ranked{}
	for i, s := range in {
		for _, p := range s.Points {
			at[p.At] = append(at[p.At], ranked{i, p})
		}
	}
	out := make([]Series, len(in))
	for _, all := range at {
		slices.SortFunc(all, func(a, b ranked) int {
			if q.Aggregate == "bottomk" {
				a, b = b, a
			}
			return cmp.Compare(b.point.Value, a.point.Value)
		})
		for _, r := range all[:min(q.Top, len(all))] {
			out[r.series].Labels = in[r.series].Labels
			out[r.series].Points = append(out[r.series].Points, r.point)
		}
	}
	out = slices.DeleteFunc(out, func(s Series) bool { return len(s.Points) == 0 })
	for _, s := range out {
		slices.SortFunc(s.Points, func(a, b Point) int { return a.At.Compare(b.At) })
	}
	return out
}

// Key returns a string that identifies a set of labels.
func Key(labels map[string]string) string {
	keys := make([]string, 0, len(labels))
	for k := range labels {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var b strings.Builder
	for _, k := range keys {
		b.WriteString(k)
		b.WriteByte(0)
		b.WriteString(labels[k])
		b.WriteByte(0)
	}
	return b.String()
}
