package diagnose

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
)

// What a rise of errors must be to count: so many of the requests more, so
// many standard errors (test of two proportions), and failures in so many steps
// at least, since one burst is no level.
const (
	minErrorRise  = .02
	minErrorZ     = 4.0
	minErrorSteps = 3
	// ownFailures is the part of a hop's added failures from which on it fails
	// by itself rather than passes on what failed behind it.
	ownFailures = .3
)

// findErrors looks for a rise of an entry's failures.
func findErrors(ev Evidence, e EntrySeries, opt Options) (spike, bool) {
	c := served(ev, e.Service, e.Operation)
	if c == nil || e.Flow == "async" {
		return spike{}, false
	}
	s := spike{entry: EntrySeries{Entry: e.Entry, Sum: c.Failed, Count: c.Count}}
	if !opt.BaselineFrom.IsZero() {
		s.baseline, s.now = ev.given(opt)
	} else {
		failed, count := c.Failed, c.Count
		if c.LevelCount != nil {
			failed, count = c.LevelFailed, c.LevelCount
		}
		first, last := traffic(count)
		if last-first < 2*minSegment {
			return spike{}, false
		}
		s.now, s.baseline = errorLevels(failed[first:last], count[first:last], first)
		if s.now == nil {
			return spike{}, false
		}
	}
	bursts := 0
	for _, i := range s.now {
		if c.Failed[i] > 0 {
			bursts++
		}
	}
	rose := moreFail(s.baseline.sum(c.Failed), s.baseline.sum(c.Count), s.now.sum(c.Failed), s.now.sum(c.Count))
	return s, rose && bursts >= minErrorSteps
}

func served(ev Evidence, service, operation string) *CallSeries {
	for i, c := range ev.Calls {
		if c.Dependency == "" && c.Service == service && c.Operation == operation {
			return &ev.Calls[i]
		}
	}
	return nil
}

// moreFail compares two proportions: x of n before, y of m now.
func moreFail(x, n, y, m float64) bool {
	if n < minRequests || m < minRequests || y/m-x/n < minErrorRise {
		return false
	}
	p := (x + y) / (n + m)
	return y/m-x/n > minErrorZ*math.Sqrt(math.Max(p*(1-p), 1e-9)*(1/n+1/m))
}

// errorLevels cuts the ratio of failures into levels, as segmentize does the
// latency, by the deviance of a binomial; it returns the steps of the last level
// and of the earlier ones that are not themselves raised, from offset on.
func errorLevels(failed, count []float64, offset int) (now, baseline window) {
	var at []int
	f, n := []float64{0}, []float64{0}
	for i := range count {
		if count[i] > 0 {
			at = append(at, i)
			f, n = append(f, f[len(f)-1]+failed[i]), append(n, n[len(n)-1]+count[i])
		}
	}
	if len(at) < 2*minSegment {
		return nil, nil
	}
	ratio := func(from, to int) float64 { return (f[to] - f[from]) / (n[to] - n[from]) }
	cuts := optimal(len(at), 6*math.Log(float64(len(at))), func(from, to int) float64 {
		x, m := f[to]-f[from], n[to]-n[from]
		return -2 * (xlogy(x, x/m) + xlogy(m-x, 1-x/m))
	})
	if len(cuts) == 1 {
		return nil, nil
	}
	last := cuts[len(cuts)-1]
	level := ratio(last, len(at))
	cuts = append(cuts, len(at))
	low := math.Inf(1)
	for i := range len(cuts) - 2 {
		low = math.Min(low, ratio(cuts[i], cuts[i+1]))
	}
	for i := range len(cuts) - 2 {
		if r := ratio(cuts[i], cuts[i+1]); r-low < math.Max(minErrorRise, .25*(level-low)) {
			for _, j := range at[cuts[i]:cuts[i+1]] {
				baseline = append(baseline, j+offset)
			}
		}
	}
	return steps(at[last]+offset, len(count)+offset), baseline
}

func xlogy(x, y float64) float64 {
	if x <= 0 {
		return 0
	}
	return x * math.Log(y)
}

// failures are what hops on an entry's path add to its failures, a request of
// the entry.
type failures struct {
	ev      Evidence
	s       spike
	served  map[string]float64 // added, by service
	byOp    map[string][]*CallSeries
	clients map[[2]string][]*CallSeries // by caller and callee
}

// added is how many more of a series there are, a request of the entry.
func (f failures) added(v []float64) float64 {
	return f.s.now.sum(v)/f.s.now.sum(f.s.entry.Count) - f.s.baseline.sum(v)/f.s.baseline.sum(f.s.entry.Count)
}

// errorFindings names the hops where the failures of an entry begin. A hop
// whose calls fail as often as it does itself passes on what failed behind it;
// a call that fails while its callee knows nothing of it failed between them, or
// at a callee that did not answer.
func errorFindings(ev Evidence, s spike, opt Options) []Finding {
	f := failures{ev: ev, s: s, served: map[string]float64{}, byOp: map[string][]*CallSeries{}, clients: map[[2]string][]*CallSeries{}}
	path := onPath(ev, s.entry.Entry)
	for i := range ev.Calls {
		c := &ev.Calls[i]
		if !path[c.Service] {
			continue
		}
		if c.Dependency != "" {
			k := [2]string{c.Service, c.Dependency}
			f.clients[k] = append(f.clients[k], c)
			continue
		}
		f.byOp[c.Service] = append(f.byOp[c.Service], c)
		f.served[c.Service] += math.Max(f.added(c.Failed), 0)
	}
	total := f.added(s.entry.Sum)
	passed := map[string]float64{} // by caller, what failed behind it
	var out []Finding
	for _, k := range slices.SortedFunc(maps.Keys(f.clients), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		calls := f.clients[k]
		failed := 0.0
		for _, c := range calls {
			failed += math.Max(f.added(c.Failed), 0)
		}
		passed[k[0]] += failed
		known := len(f.byOp[k[1]]) > 0
		if unseen := failed - f.served[k[1]]; unseen > ownFailures*failed && failed > .05*total {
			x := Finding{Hop: k[0], Target: k[1]}
			if known || ev.Foreign[k[1]] {
				x.Hop, x.Target = k[1], k[0]
			}
			out = append(out, f.finding(x, calls, total))
		}
	}
	for _, service := range slices.Sorted(maps.Keys(f.byOp)) {
		if own := f.served[service] - passed[service]; own > ownFailures*f.served[service] && own > .05*total {
			out = append(out, f.finding(Finding{Hop: service}, f.byOp[service], total))
		}
	}
	out = slices.DeleteFunc(out, func(x Finding) bool { return x.Errors == nil || x.Share < opt.MinShare })
	slices.SortStableFunc(out, func(a, b Finding) int { return cmp.Compare(b.Share, a.Share) })
	return out
}

// finding describes the operation among calls whose failures grew most, if it
// did for sure.
func (f failures) finding(x Finding, calls []*CallSeries, total float64) Finding {
	worst := slices.MaxFunc(calls, func(a, b *CallSeries) int { return cmp.Compare(f.added(a.Failed), f.added(b.Failed)) })
	base, now := f.s.baseline, f.s.now
	nb, nn := base.sum(worst.Count), now.sum(worst.Count)
	// An operation that is called since the failures began has no baseline.
	if nn == 0 || nb >= minRequests && !moreFail(base.sum(worst.Failed), nb, now.sum(worst.Failed), nn) {
		return x
	}
	x.Kind, x.Operation = KindErrors, worst.Operation
	x.Errors = &Failing{Now: round(now.sum(worst.Failed) / nn), Type: f.kind(worst)}
	if nb > 0 {
		x.Errors.Baseline = round(base.sum(worst.Failed) / nb)
	}
	x.Share = round(math.Min(f.added(worst.Failed)/total, 1))
	x.Interval = interval(f.s, worst.Failed)
	x.Interval[0], x.Interval[1] = math.Min(x.Interval[0], 1), math.Min(x.Interval[1], 1)
	x.Attributes, x.Exemplars = []Attribute{}, []string{}
	return x
}

// kind is the type of error that grew most.
func (f failures) kind(c *CallSeries) string {
	best := ""
	for _, kind := range slices.Sorted(maps.Keys(c.Types)) {
		if best == "" || f.added(c.Types[kind]) > f.added(c.Types[best]) {
			best = kind
		}
	}
	return best
}

// onPath returns the services that work for an entry: those that say so, and
// all that are called by them.
func onPath(ev Evidence, e Entry) map[string]bool {
	path := map[string]bool{e.Service: true}
	told := false
	for _, h := range ev.Hops {
		if h.Entry == e.Operation && h.Flow == "request" {
			path[h.Service], told = true, true
		}
	}
	for grown := !told; grown; {
		grown = false
		for _, c := range ev.Calls {
			if c.Dependency != "" && path[c.Service] && !path[c.Dependency] {
				path[c.Dependency], grown = true, true
			}
		}
	}
	return path
}

// timedOut tells whether a type of error says that somebody waited too long:
// the failure of a slow hop rather than of a broken one.
func timedOut(kind string) bool {
	k := strings.ToLower(kind)
	return strings.Contains(k, "timeout") || strings.Contains(k, "deadline") || k == "504" || k == "408" || k == "4"
}

// errors adds to a result what is known of failures: they are the verdict unless
// requests merely time out at a hop that is slow.
func (r *Result) errors(ev Evidence, s spike, opt Options, b *Book) {
	var found []Finding
	if b != nil {
		found = b.errorFindings(ev, s)
	} else {
		found = errorFindings(ev, s, opt)
	}
	f := Failing{Baseline: round(s.baseMean()), Now: round(s.nowMean())}
	if len(found) > 0 {
		f.Type = found[0].Errors.Type
	}
	r.Errors = &f
	slow := r.Entry.Operation == s.entry.Operation && (r.Verdict == Spike || len(r.Findings) > 0)
	if slow && (len(found) == 0 || timedOut(f.Type)) {
		r.Findings = append(r.Findings, found...)
		r.rank()
		return
	}
	slower := r.Findings
	if !slow {
		slower = nil
	}
	r.Verdict, r.Why = Errors, ""
	for _, e := range ev.Entries {
		if e.Operation == s.entry.Operation && e.Flow == "" {
			mean := s
			mean.entry = e
			r.describe(ev, mean)
		}
	}
	if why := s.tooShort(ev, opt); why != "" {
		r.Verdict, r.Why = Unsure, why
	} else if len(found) == 0 {
		r.Why = "no hop's own failures explain it; are all hops scraped?"
	}
	r.Findings = append(found, slower...)
	r.rank()
}

func (r *Result) rank() {
	for i := range r.Findings {
		r.Findings[i].Rank = i + 1
	}
}
