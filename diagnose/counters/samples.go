package counters

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tenhop/tenhop/query/prometheus"
)

// rawSpan is the longest time of which samples are read as they were scraped.
// Beyond it they are read at the steps of a range query.
const rawSpan = 20 * time.Minute

// samples reads the series of a selector from start to end: every sample when
// grid is zero, one each grid otherwise. The moments of scrapes matter: targets
// are scraped one after the other, and in one step of the evidence one may
// report what another only reports in the next.
func samples(ctx context.Context, c *prometheus.Client, selector string, start, end time.Time, grid time.Duration) ([]prometheus.Series, error) {
	if grid > 0 {
		return c.Range(ctx, selector, start, end, grid)
	}
	return c.Matrix(ctx, fmt.Sprintf("%s[%dms]", selector, end.Sub(start).Milliseconds()), end)
}

// instance is one target: all its series are scraped together.
type instance struct{ job, instance string }

func instanceOf(labels map[string]string) instance {
	return instance{labels["job"], labels["instance"]}
}

// scrapes is what is known of when targets were scraped.
type scrapes struct {
	first, last map[instance]time.Time
	interval    map[instance]time.Duration // median distance of two scrapes
	every       time.Duration              // median over all series
}

func scrapesOf(all ...[]prometheus.Series) scrapes {
	s := scrapes{first: map[instance]time.Time{}, last: map[instance]time.Time{}, interval: map[instance]time.Duration{}}
	gaps := map[instance][]time.Duration{}
	var every []time.Duration
	for _, found := range all {
		for _, f := range found {
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
	return s
}

func median(v []time.Duration) time.Duration {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[len(v)/2]
}

// longestWait bounds how much of the newest time is given up for the sake of a
// target that is scraped seldom.
const longestWait = 30 * time.Second

// until is up to when every target that still answers has been scraped: what
// comes later is known of some and not of others.
func (s scrapes) until(end time.Time) time.Time {
	common := end
	for k, at := range s.last {
		if at.Before(common) && end.Sub(at) <= min(2*s.interval[k]+time.Second, longestWait) {
			common = at
		}
	}
	return common
}

// increment is what was added to a counter between two scrapes.
type increment struct {
	from, to time.Time
	amount   float64
}

// increments turns a counter's samples into what was added between them. A gap
// is bridged, and a counter that fell has started again from zero. One that
// appears has been counting from zero only if its target was scraped before;
// else its value is the work of a lifetime, and no growth.
func (s scrapes) increments(f prometheus.Series) []increment {
	out := make([]increment, 0, len(f.Samples))
	for i, p := range f.Samples {
		switch {
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

// grid cuts time into steps.
type grid struct {
	start time.Time
	step  time.Duration
	steps int
}

// spread adds increments to steps, each evenly over the time since the scrape
// before, as Prometheus's own rate does. So two targets' steps are the same time
// although they are scraped at different moments.
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

// place adds each increment to the step in which it was scraped: neighbouring
// steps stay independent of each other, which the search for levels relies on.
func (g grid) place(to []float64, increments []increment) {
	for _, x := range increments {
		i := int(math.Ceil(float64(x.to.Sub(g.start))/float64(g.step))) - 1
		if i >= 0 && i < g.steps {
			to[i] += x.amount
		}
	}
}
