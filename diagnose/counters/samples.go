package counters

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tenhop/tenhop/query/prometheus"
)

// rawSpan is the longest range of which every sample is read. Longer ranges are read by
// a range query.
const rawSpan = 20 * time.Minute

// samples reads the series of a selector from start to end: every sample if resolution
// is zero, else one per resolution. Times of scrapes matter, because targets are
// scraped one after another. A callee may report one step later what its caller has
// already reported.
func samples(ctx context.Context, c *prometheus.Client, selector string, start, end time.Time, resolution time.Duration) ([]prometheus.Series, error) {
	var found []prometheus.Series
	var err error
	if resolution > 0 {
		found, err = c.Range(ctx, selector, start, end, resolution)
	} else {
		found, err = c.Matrix(ctx, fmt.Sprintf("%s[%dms]", selector, end.Sub(start).Milliseconds()), end)
	}
	return labelled(found), err
}

// labelled gives series without labels an empty set of labels.
func labelled(found []prometheus.Series) []prometheus.Series {
	for i := range found {
		if found[i].Labels == nil {
			found[i].Labels = map[string]string{}
		}
	}
	return found
}

// instance identifies a target, whose series are scraped together.
type instance struct{ job, instance string }

func instanceOf(labels map[string]string) instance {
	return instance{labels["job"], labels["instance"]}
}

// scrapes holds the times at which targets were scraped.
type scrapes struct {
	first, last map[instance]time.Time
	interval    map[instance]time.Duration // median scrape interval
	every       time.Duration              // median scrape interval of all series
	times       []time.Time                // of the scrapes of all targets
}

// scrapesOf returns the scrapes of all series.
func scrapesOf(all ...[]prometheus.Series) scrapes {
	s := scrapes{first: map[instance]time.Time{}, last: map[instance]time.Time{}, interval: map[instance]time.Duration{}}
	gaps := map[instance][]time.Duration{}
	var every []time.Duration
	longest := map[instance][]prometheus.Sample{}
	for _, found := range all {
		for _, f := range found {
			if k := instanceOf(f.Labels); len(f.Samples) > len(longest[k]) {
				longest[k] = f.Samples
			}
			for i, p := range f.Samples {
				k := instanceOf(f.Labels)
				if at, ok := s.first[k]; !ok || p.At.Before(at) {
					s.first[k] = p.At
				}
				if p.At.After(s.last[k]) {
					s.last[k] = p.At
				}
				if i > 0 {
					gap := p.At.Sub(f.Samples[i-1].At)
					gaps[k], every = append(gaps[k], gap), append(every, gap)
				}
			}
		}
	}
	for k, v := range gaps {
		s.interval[k] = median(v)
	}
	s.every = median(every)
	for _, samples := range longest {
		for _, p := range samples {
			s.times = append(s.times, p.At)
		}
	}
	slices.SortFunc(s.times, time.Time.Compare)
	return s
}

func median(v []time.Duration) time.Duration {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[len(v)/2]
}

// maxLag bounds the time that is left out at the end because a target is scraped
// rarely.
const maxLag = 30 * time.Second

// until returns the last moment by which every target has been scraped. Later samples
// exist for some targets only. Targets that no longer answer are ignored.
func (s scrapes) until(end time.Time) time.Time {
	common := end
	for k, at := range s.last {
		if at.Before(common) && end.Sub(at) <= min(2*s.interval[k]+time.Second, maxLag) {
			common = at
		}
	}
	return common
}

// newest returns the time of the last scrape of any target.
func (s scrapes) newest() time.Time {
	var at time.Time
	for _, last := range s.last {
		if last.After(at) {
			at = last
		}
	}
	return at
}

// increment is the increase of a counter between two scrapes.
type increment struct {
	from, to time.Time
	amount   float64
}

// gapScrapes is the number of scrape intervals from which the time between two samples is
// a gap: scrapes were missed, and nothing tells when in that time the counter grew.
const gapScrapes = 3

// increments returns the increases between the samples of a counter. A counter that
// fell has restarted at zero. The first sample of a series is an increase from zero if
// its target was scraped before. Otherwise it covers the lifetime of the process and is
// left out.
func (s scrapes) increments(f prometheus.Series) []increment {
	out := make([]increment, 0, len(f.Samples))
	for i, p := range f.Samples {
		switch {
		case i > 0 && s.gap(f, i):
			if from := p.At.Add(-s.interval[instanceOf(f.Labels)]); s.others(f.Samples[i-1].At, from) && p.Value >= f.Samples[i-1].Value {
				out = append(out, increment{from, p.At, p.Value - f.Samples[i-1].Value})
			}
		case i > 0 && p.Value >= f.Samples[i-1].Value:
			out = append(out, increment{f.Samples[i-1].At, p.At, p.Value - f.Samples[i-1].Value})
		case i > 0:
			out = append(out, increment{f.Samples[i-1].At, p.At, p.Value})
		case s.first[instanceOf(f.Labels)].Before(p.At):
			out = append(out, increment{p.At.Add(-s.interval[instanceOf(f.Labels)]), p.At, p.Value})
		}
	}
	return out
}

// gap reports whether scrapes were missed before a sample. What the counter grew by in that
// time is not spread over it: a spike would be part of the time before. If only this target
// was missed, it belongs to the scrape that saw it, as the callers of the target have seen
// their part. If all were, it is left out, so that means stay right.
func (s scrapes) gap(f prometheus.Series, i int) bool {
	every := s.interval[instanceOf(f.Labels)]
	return every > 0 && f.Samples[i].At.Sub(f.Samples[i-1].At) > gapScrapes*every
}

// others reports whether any target was scraped between two times.
func (s scrapes) others(from, to time.Time) bool {
	i, _ := slices.BinarySearchFunc(s.times, from.Add(time.Millisecond), time.Time.Compare)
	return i < len(s.times) && s.times[i].Before(to)
}

// grid divides a range of time into steps.
type grid struct {
	start time.Time
	step  time.Duration
	steps int
	newer int // further steps, for which only some targets have been scraped
}

// spread adds each increment to the steps between its two scrapes, in proportion to
// their overlap. A step then stands for the same time in all targets, although they are
// scraped at different moments.
func (g grid) spread(to []float64, increments []increment) {
	for _, x := range increments {
		from, until := float64(x.from.Sub(g.start))/float64(g.step), float64(x.to.Sub(g.start))/float64(g.step)
		if until <= from {
			continue
		}
		for i := max(int(math.Floor(from)), 0); i < g.steps && float64(i) < until; i++ {
			overlap := math.Min(float64(i+1), until) - math.Max(float64(i), from)
			to[i] += x.amount * overlap / (until - from)
		}
	}
}

// place adds each increment to the step of its second scrape. Neighbouring steps stay
// independent, as the search for levels requires.
func (g grid) place(to []float64, increments []increment) {
	for _, x := range increments {
		i := int(math.Ceil(float64(x.to.Sub(g.start))/float64(g.step))) - 1
		if i >= 0 && i < len(to) {
			to[i] += x.amount
		}
	}
}
