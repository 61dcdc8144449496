package compare

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/links"
	"github.com/tenhop/tenhop/diagnose/stats"
	"github.com/tenhop/tenhop/trace"
)

// unit identifies what a self time is measured of: an operation under its parent
// operation, or the link to a callee of another service.
type unit struct{ service, operation, parent, callee string }

// selfTimes samples the self times of a unit. There is one value per trace: the mean
// over the unit's spans, in milliseconds. The sample is uniform (Vitter 1985,
// algorithm R).
type selfTimes struct {
	values        []float64
	traces, spans int
	trace, n      int // number of the current trace and of its spans so far
	mean          float64
	rng           rand.PCG
}

// addTimes adds the self times of a trace's spans to their units.
func (p *Profile) addTimes(t trace.Trace, parent []int) {
	callee := make([]string, len(t.Spans))
	for i, s := range t.Spans {
		if par := parent[i]; par >= 0 && t.Spans[par].Service != s.Service && callee[par] == "" {
			callee[par] = s.Service
		}
	}
	p.tree.Load(&t)
	for _, i := range p.tree.Order() {
		s := &t.Spans[i]
		u := unit{service: s.Service, operation: s.Operation, callee: callee[i]}
		if par := parent[i]; par >= 0 && u.callee == "" {
			u.parent = t.Spans[par].Operation
		}
		at := p.times[u]
		if at == nil {
			at = &selfTimes{}
			p.times[u] = at
		}
		at.add(p.traces, float64(p.tree.Self(i))/float64(time.Millisecond))
	}
}

// add adds a span's self time in a trace.
func (s *selfTimes) add(trace int, ms float64) {
	if s.trace != trace {
		s.flush()
		s.trace = trace
	}
	s.spans++
	s.n++
	s.mean += (ms - s.mean) / float64(s.n)
}

// flush adds the mean of the current trace to the sample.
func (s *selfTimes) flush() {
	if s.n == 0 {
		return
	}
	s.traces++
	if len(s.values) < maxSamples {
		s.values = append(s.values, s.mean)
	} else if i := rand.New(&s.rng).IntN(s.traces); i < maxSamples {
		s.values[i] = s.mean
	}
	s.n, s.mean = 0, 0
}

// latency returns the strongest suspect of each service whose self times or links
// grew. Package links chooses the end of a slow link that is the suspect.
func latency(base, now *Profile) map[string]Suspect {
	best, slow, growth := map[string]Suspect{}, map[links.Link]Suspect{}, map[links.Link]float64{}
	for _, p := range []*Profile{base, now} {
		for _, s := range p.times {
			s.flush()
		}
	}
	var least []float64
	for u, b := range now.times {
		if a := base.times[u]; a != nil {
			n, m := len(a.values), len(b.values)
			least = append(least, 2*math.Exp(-stats.LogChoose(n+m, m))) // p if all of now exceeds all before
		}
	}
	tests := stats.CountTests(least, maxP)
	for u, b := range now.times {
		l := links.Link{Caller: u.service, Callee: u.callee}
		if u.callee != "" {
			growth[l] = max(growth[l], 0)
		}
		a := base.times[u]
		if a == nil {
			continue
		}
		w := growthScore(a, b, now.traces)
		if w <= 0 {
			continue
		}
		s := Suspect{Service: u.service, Operation: u.operation, Kind: Self, Score: w, P: marginP(a.values, b.values) * tests}
		s.BaselineMS, s.NowMS = a.perTrace(base.traces), b.perTrace(now.traces)
		s.Evidence = fmt.Sprintf("median %.1f ms in %d traces, now %.1f ms in %d", upperMedian(a.values), a.traces, upperMedian(b.values), b.traces)
		if u.callee == "" {
			putStronger(best, u.service, s)
		} else {
			s.Kind = Link
			putStronger(slow, l, s)
			growth[l] = max(growth[l], w)
		}
	}
	for l, e := range links.Ends(growth) {
		s := slow[l]
		s.Service, s.Target = e.Hop, l.Caller
		if e.Hop == l.Caller {
			s.Target = l.Callee
		}
		s.EitherEnd = !e.Sure
		s.Evidence += "; " + links.Words(l, e)
		if e.Sure {
			s.Score *= 1.01 // ranks before an end that is equally slow
		}
		putStronger(best, s.Service, s)
	}
	return best
}

// perTrace returns the mean time of a unit per trace, in milliseconds, of all traces.
func (s *selfTimes) perTrace(traces int) float64 {
	if len(s.values) == 0 || traces == 0 {
		return 0
	}
	mean := 0.0
	for _, v := range s.values {
		mean += v / float64(len(s.values))
	}
	return mean * float64(s.spans) / float64(traces)
}

// growthScore returns √(growth × spans per trace) × log(1 + z). growth is that of the
// winsorised mean in milliseconds; z is the robust z-score of the median. The score is
// 0 if the p of the growth is above maxUnitP.
func growthScore(base, now *selfTimes, traces int) float64 {
	if stats.MannWhitney(base.values, now.values) > maxUnitP {
		return 0
	}
	a, b := slices.Sorted(slices.Values(base.values)), slices.Sorted(slices.Values(now.values))
	growth := winsorisedMean(b) - winsorisedMean(a)
	if growth <= 0 {
		return 0
	}
	mid := a[len(a)/2]
	dev := make([]float64, len(a))
	for i, x := range a {
		dev[i] = math.Abs(x - mid)
	}
	slices.Sort(dev)
	// The constants bound z for a unit whose times hardly vary.
	z := math.Max((b[len(b)/2]-mid)/(1.4826*dev[len(dev)/2]+.05*mid+.3), 0)
	return math.Sqrt(growth*float64(now.spans)/float64(traces)) * math.Log1p(z)
}

// marginP returns the p of the alternative that a unit takes longer than marginRatio
// times its baseline plus marginMS. It is twice the smaller of two: that of the U test,
// and that of Fisher's test of the ratio of traces above the 90th percentile of the
// baseline.
func marginP(base, now []float64) float64 {
	padded := slices.Sorted(slices.Values(base))
	for i, v := range padded {
		padded[i] = v*marginRatio + marginMS
	}
	limit := padded[int(.9*float64(len(padded)-1))]
	above := func(v []float64) (n int) {
		for _, x := range v {
			if x > limit {
				n++
			}
		}
		return n
	}
	slow := stats.Fisher(above(now), len(now), above(base), len(base))
	return min(1, 2*min(stats.MannWhitney(padded, now), slow))
}

// winsorisedMean returns the mean of sorted values; values above the 90th percentile
// count as that percentile.
func winsorisedMean(sorted []float64) float64 {
	q := sorted[int(.9*float64(len(sorted)-1))]
	mean := 0.0
	for _, x := range sorted {
		mean += math.Min(x, q) / float64(len(sorted))
	}
	return mean
}

// upperMedian returns the median of v, the higher one if there are two.
func upperMedian(v []float64) float64 { return slices.Sorted(slices.Values(v))[len(v)/2] }
