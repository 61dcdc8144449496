package causes

import (
	"math"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/signals"
)

// point is a value of a signal: a rate per second between two scrapes, or the value of a
// gauge at one.
type point struct {
	from, to time.Time
	value    float64
}

// seconds returns the weight of a point.
func (p point) seconds() float64 { return math.Max(p.to.Sub(p.from).Seconds(), 1e-3) }

// track is one measure of one instance.
type track struct {
	signal  signals.CauseSignal
	samples []prometheus.Sample // of a gauge
	points  []point
}

// instance holds the signals of one instance of a service.
type instance struct {
	service, name string
	tracks        map[signals.Measure]track
	store         map[storeKey]storeTrack
	scraped       []time.Time // of any series, ascending
}

// storeKey identifies calls to a database.
type storeKey struct{ dependency, operation, failure string }

// storeTrack holds the time and the number of database calls, per second, and the number
// of those up to each bound of the histogram.
type storeTrack struct {
	time, calls []point
	upTo        map[float64][]point
}

// windows are the times that are compared.
type windows struct {
	baseline []result.Range
	now      result.Range
}

// in reports whether most of a point lies within a range.
func in(p point, r result.Range) bool {
	middle := p.from.Add(p.to.Sub(p.from) / 2)
	return !middle.Before(r.From) && middle.Before(r.To)
}

// split returns the points of the baseline and those of now.
func (w windows) split(points []point) (base, now []point) {
	for _, p := range points {
		switch {
		case in(p, w.now):
			now = append(now, p)
		case slices.ContainsFunc(w.baseline, func(r result.Range) bool { return in(p, r) }):
			base = append(base, p)
		}
	}
	return base, now
}

// rates returns the increases of a counter per second. A counter that fell has restarted at
// zero. A series that begins when its target had been scraped before begins at zero.
func rates(samples []prometheus.Sample, scraped []time.Time, unit float64) []point {
	var out []point
	if len(samples) == 0 {
		return nil
	}
	for i := 1; i < len(scraped) && !scraped[i].After(samples[0].At); i++ {
		v := 0.0
		if scraped[i].Equal(samples[0].At) {
			v = samples[0].Value
		}
		out = append(out, point{scraped[i-1], scraped[i], v * unit / scraped[i].Sub(scraped[i-1]).Seconds()})
	}
	for i := 1; i < len(samples); i++ {
		from, to := samples[i-1], samples[i]
		amount := to.Value - from.Value
		if amount < 0 {
			amount = to.Value
		}
		if length := to.At.Sub(from.At).Seconds(); length > 0 {
			out = append(out, point{from.At, to.At, amount * unit / length})
		}
	}
	return out
}

// values returns the samples of a gauge as points.
func values(samples []prometheus.Sample, unit float64) []point {
	out := make([]point, 0, len(samples))
	for _, s := range samples {
		out = append(out, point{s.At, s.At, s.Value * unit})
	}
	return out
}

// zeros returns points of the times at which a target was scraped before it had a series.
func zeros(samples []prometheus.Sample, scraped []time.Time) []point {
	var out []point
	for _, at := range scraped {
		if len(samples) == 0 || !at.Before(samples[0].At) {
			break
		}
		out = append(out, point{from: at, to: at})
	}
	return out
}

// plus adds the values of b to the points of a at the same times, and appends the others.
func plus(a, b []point) []point {
	at := map[time.Time]int{}
	for i, p := range a {
		at[p.to] = i
	}
	for _, p := range b {
		if i, ok := at[p.to]; ok {
			a[i].value += p.value
		} else {
			a = append(a, p)
		}
	}
	slices.SortFunc(a, func(x, y point) int { return x.to.Compare(y.to) })
	return a
}

// mean returns the mean by time, or 0 without points.
func mean(points []point) float64 {
	sum, length := 0.0, 0.0
	for _, p := range points {
		sum += p.value * p.seconds()
		length += p.seconds()
	}
	if length == 0 {
		return 0
	}
	return sum / length
}

// total returns the sum of rates times their lengths.
func total(points []point) float64 {
	sum := 0.0
	for _, p := range points {
		sum += p.value * p.seconds()
	}
	return sum
}
