package diagnose

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Options of a diagnosis. The zero value is what `tenhop diagnose` uses.
type Options struct {
	Entry        string        // only this edge operation; the one with the most added time when empty
	MinBaseline  time.Duration // under it the verdict is unsure; 60 s when zero
	MinShare     float64       // findings below it are left out; 0.03 when zero
	BaselineFrom time.Time     // a baseline that the caller chose; else the levels before the spike
	BaselineTo   time.Time
}

// minShare is the share of the added time below which a finding is left out.
const minShare = .03

// Diagnose finds the entry that left its baseline and splits the added time of
// its mean over hops. The mean splits exactly: what an entry's requests take
// together is the sum of what every hop spent on them itself, what they waited
// for dependencies that are no hops, the gaps of the links between them and,
// behind a queue, the waiting there; divided by the entry's requests, each
// part's growth is its share of the added time. Where hops work in parallel,
// shares may add up to more than one.
func Diagnose(ev Evidence, opt Options) Result { return diagnose(ev, opt, nil) }

// diagnose splits by the book's requests when there is a book, by the series of
// the evidence otherwise.
func diagnose(ev Evidence, opt Options, b *Book) Result {
	opt.MinBaseline = cmp.Or(opt.MinBaseline, time.Minute)
	opt.MinShare = cmp.Or(opt.MinShare, minShare)
	res := Result{Verdict: None, Statistic: "mean", OtherEntries: []Entry{}, Findings: []Finding{}, Sources: []Source{},
		Window: Range{ev.Start, ev.at(ev.Steps)}, Baseline: Range{ev.Start, ev.at(ev.Steps)}}
	var spikes, failing []spike
	busiest, idle := -1.0, ""
	for _, e := range ev.Entries {
		if opt.Entry != "" && e.Operation != opt.Entry {
			continue
		}
		if s, rose := findErrors(ev, e, opt); rose {
			failing = append(failing, s)
		}
		s := findSpike(ev, e, opt)
		if steps(0, ev.Steps).sum(e.Count) > 0 {
			res.Looked++
		}
		if s.raised {
			spikes = append(spikes, s)
		}
		if total := steps(0, ev.Steps).sum(e.Count); !s.raised && len(spikes) == 0 && total > busiest && e.Flow != "async" {
			busiest, idle = total, s.why
			res.describe(ev, s)
		}
	}
	if len(spikes) == 0 {
		res.quiet(ev, opt, busiest, idle)
	} else {
		res.spiking(ev, spikes, opt, b)
	}
	if len(failing) > 0 {
		// lost is what fails a second.
		res.errors(ev, slices.MaxFunc(failing, func(a, b spike) int { return cmp.Compare(a.lost(), b.lost()) }), opt, b)
	}
	return res
}

// spiking describes the entry that matters most of those that are slower, and
// where its added time comes from.
func (r *Result) spiking(ev Evidence, spikes []spike, opt Options, b *Book) {
	// The customer's wait counts before what happens behind a queue; then the
	// entry that loses the most time altogether.
	slices.SortStableFunc(spikes, func(a, b spike) int {
		if async := compareBool(a.entry.Flow == "async", b.entry.Flow == "async"); async != 0 {
			return async
		}
		return cmp.Compare(b.lost(), a.lost())
	})
	// An entry of which nothing sure can be said does not hide one whose spike is
	// located.
	chosen := 0
	first := r.at(ev, spikes[0], opt, b)
	for i := 1; i < len(spikes) && first.Verdict != Spike; i++ {
		if next := r.at(ev, spikes[i], opt, b); next.Verdict == Spike {
			chosen, first = i, next
		}
	}
	*r = first
	for i, o := range spikes {
		if i != chosen {
			e := o.entry.Entry
			e.AddedMS = o.added() * 1000
			r.OtherEntries = append(r.OtherEntries, e)
		}
	}
}

// at returns the result with a spike described, and where its added time comes
// from.
func (r Result) at(ev Evidence, s spike, opt Options, b *Book) Result {
	r.Verdict = Spike
	r.describe(ev, s)
	if why := s.tooShort(ev, opt); why != "" {
		r.Verdict, r.Why = Unsure, why
	}
	if b != nil {
		r.Findings = append(r.Findings, b.findings(ev, s, opt)...)
	} else {
		r.Findings = append(r.Findings, findings(ev, s, opt)...)
	}
	r.rank()
	if len(r.Findings) == 0 && r.Verdict == Spike && !ev.RED {
		r.Verdict, r.Why = Unsure, "no hop's time explains what was added; are all hops scraped?"
	}
	r.everywhere()
	return r
}

// What is spread over so many parts, none of them more than a quarter, is no
// hop's fault but of something that they share.
const (
	sharedParts = 5
	sharedMost  = .25
)

// everywhere says so when the added time is spread over all hops.
func (r *Result) everywhere() {
	if r.Verdict != Spike || len(r.Findings) < sharedParts || slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Share > sharedMost }) {
		return
	}
	r.Verdict = Unsure
	r.Why = fmt.Sprintf("the added time is spread over %d parts, none with more than %.0f %%: look first at what they share, such as a machine or a network",
		len(r.Findings), 100*r.Findings[0].Share)
}

// tooShort says that a baseline is, or nothing.
func (s spike) tooShort(ev Evidence, opt Options) string {
	if d := time.Duration(len(s.baseline)) * ev.Step; d < opt.MinBaseline {
		return fmt.Sprintf("the baseline is only %s long; %s are needed to be sure", d, opt.MinBaseline)
	}
	return ""
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// spike is an entry with its present level and its baseline.
type spike struct {
	entry         EntrySeries
	now, baseline window
	raised        bool
	why           string // why nothing can be said
}

func findSpike(ev Evidence, e EntrySeries, opt Options) spike {
	s := spike{entry: e}
	if !opt.BaselineFrom.IsZero() {
		s.baseline, s.now = ev.given(opt)
		nb, nn := s.baseline.sum(e.Count), s.now.sum(e.Count)
		switch {
		case nb < minRequests:
			s.why = fmt.Sprintf("the given baseline holds %.0f requests of %s; %d are needed to know what is normal", nb, e.Operation, minRequests)
		case nn < minRequests:
			s.why = fmt.Sprintf("since the end of the given baseline there were %.0f requests of %s; %d are needed", nn, e.Operation, minRequests)
		}
		s.raised = s.why == "" && s.added() > 0 && matters(s.nowMean(), s.baseMean())
		return s
	}
	// Leading and trailing silence is no evidence of anything.
	sum, count := e.Sum, e.Count
	if e.LevelCount != nil {
		sum, count = e.LevelSum, e.LevelCount
	}
	first, last := traffic(count)
	if last-first < 2*minSegment {
		s.now = steps(first, last)
		s.baseline = s.now
		return s
	}
	now, base, raised := levels(sum[first:last], count[first:last])
	s.raised = raised
	if !raised {
		s.now = steps(first, last)
		s.baseline = s.now
		return s
	}
	for _, i := range base {
		s.baseline = append(s.baseline, i+first)
	}
	s.now = s.settled(steps(now.from+first, now.to+first))
	return s
}

// given returns the baseline that the caller chose, and what came after it.
func (e Evidence) given(opt Options) (baseline, now window) {
	for i := range e.Steps {
		switch at := e.at(i); {
		case !at.Before(opt.BaselineFrom) && at.Before(opt.BaselineTo):
			baseline = append(baseline, i)
		case !at.Before(opt.BaselineTo):
			now = append(now, i)
		}
	}
	return baseline, now
}

// traffic returns the first step with requests and the one after the last.
func traffic(count []float64) (first, last int) {
	last = len(count)
	for first < last && count[first] == 0 {
		first++
	}
	for last > first && count[last-1] == 0 {
		last--
	}
	return first, last
}

// settled leaves out the first steps of a raised level, in which requests still
// end that began before it: until there are as many slow ones under way at the
// window's start as at its end, the hops' sums run ahead of the entry's.
func (s spike) settled(now window) window {
	half := mean(now[len(now)/2:], s.entry.Sum, s.entry.Count)
	border := s.baseMean() + .7*(half-s.baseMean())
	for len(now) > 2*minSegment && (s.entry.Count[now[0]] == 0 || s.entry.Sum[now[0]]/s.entry.Count[now[0]] < border) {
		now = now[1:]
	}
	return now
}

func mean(w window, sum, count []float64) float64 {
	if n := w.sum(count); n > 0 {
		return w.sum(sum) / n
	}
	return 0
}

func (s spike) nowMean() float64  { return mean(s.now, s.entry.Sum, s.entry.Count) }
func (s spike) baseMean() float64 { return mean(s.baseline, s.entry.Sum, s.entry.Count) }
func (s spike) added() float64    { return s.nowMean() - s.baseMean() }

// lost is the added time of all requests, a second.
func (s spike) lost() float64 {
	return s.added() * s.now.sum(s.entry.Count) / math.Max(float64(len(s.now)), 1)
}

// wanderOver is the time over which a p95 is measured to compare it with what
// was foreseen.
const wanderOver = 20 * time.Second

// wander is the standard deviation of the logarithm of the entry's mean over
// stretches of the baseline.
func (s spike) wander(ev Evidence) float64 {
	length := max(int(wanderOver/ev.Step), 1)
	var logs []float64
	for i := 0; i+length <= len(s.baseline); i += length {
		if m := mean(s.baseline[i:i+length], s.entry.Sum, s.entry.Count); m > 0 {
			logs = append(logs, math.Log(m))
		}
	}
	if len(logs) < 2 {
		return 0
	}
	average, squares := 0.0, 0.0
	for _, l := range logs {
		average += l / float64(len(logs))
	}
	for _, l := range logs {
		squares += (l - average) * (l - average)
	}
	return math.Sqrt(squares / float64(len(logs)-1))
}

func (r *Result) describe(ev Evidence, s spike) {
	r.Entry = s.entry.Entry
	r.wander = s.wander(ev)
	r.BaselineMS, r.NowMS = round(s.baseMean()*1000), round(s.nowMean()*1000)
	r.AddedMS = round(s.added() * 1000)
	r.Requests = Requests{Baseline: int(s.baseline.sum(s.entry.Count)), Now: int(s.now.sum(s.entry.Count))}
	if len(s.now) > 0 {
		r.Window = Range{ev.at(s.now[0]), ev.at(s.now[len(s.now)-1] + 1)}
	}
	if len(s.baseline) > 0 {
		r.Baseline = Range{ev.at(s.baseline[0]), ev.at(s.baseline[len(s.baseline)-1] + 1)}
		if parts := s.baseline.ranges(ev); len(parts) > 1 {
			r.BaselineParts = parts
		}
	}
}

func (r *Result) quiet(ev Evidence, opt Options, busiest float64, idle string) {
	switch seen := r.Baseline.To.Sub(r.Baseline.From); {
	case busiest < 0 && opt.Entry != "":
		r.Verdict, r.Why = Unsure, fmt.Sprintf("no requests of %q were seen; is it spelled as in the metrics, and is there traffic?", opt.Entry)
	case busiest <= 0:
		r.Verdict, r.Why = Unsure, "no requests were seen; is there traffic, and are the services scraped?"
	case idle != "":
		r.Verdict, r.Why = Unsure, idle
	case seen < opt.MinBaseline:
		r.Verdict, r.Why = Unsure, fmt.Sprintf("only %s of traffic were seen; %s are needed to know what is normal", seen.Round(ev.Step), opt.MinBaseline)
	}
}

func round(v float64) float64 { return math.Round(v*1000) / 1000 }

// suspect is a finding before it is ranked: growth of one part of the time.
type suspect struct {
	Finding
	series []float64 // seconds a step
	parts  map[string][]float64
}

// findings splits the added time and ranks the parts.
func findings(ev Evidence, s spike, opt Options) []Finding {
	suspects := split(ev, s)
	added := s.added()
	var out []Finding
	for _, c := range suspects {
		base := s.baseline.sum(c.series) / s.baseline.sum(s.entry.Count)
		now := s.now.sum(c.series) / s.now.sum(s.entry.Count)
		f := c.Finding
		f.BaselineMS, f.NowMS, f.AddedMS = round(base*1000), round(now*1000), round((now-base)*1000)
		f.Share = round((now - base) / added)
		if f.Share < opt.MinShare {
			continue
		}
		f.Interval = interval(s, c.series)
		f.CounterfactualMS = round((s.nowMean() - (now - base)) * 1000)
		f.Operation, f.Operations = c.operations(s)
		f.Attributes, f.Exemplars = []Attribute{}, []string{}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b Finding) int { return cmp.Compare(b.AddedMS, a.AddedMS) })
	return causesFirst(out)
}

// causesFirst puts what makes a consumer slow before the queue behind it: near
// saturation a little more work makes messages wait much longer than it takes
// (Kingman 1961).
func causesFirst(found []Finding) []Finding {
	var out []Finding
	for len(found) > 0 {
		first := 0
		if q := found[0]; q.Kind == KindQueue {
			if i := slices.IndexFunc(found, func(f Finding) bool {
				return f.Hop == q.Hop && f.Kind != KindQueue && f.AddedMS > .1*q.AddedMS
			}); i > 0 {
				first = i
			}
		}
		out = append(out, found[first])
		found = slices.Delete(found, first, first+1)
	}
	return out
}

// operations returns the operation that grew most and, when several did, each
// one's part.
func (c suspect) operations(s spike) (string, []Part) {
	var parts []Part
	for op, v := range c.parts {
		parts = append(parts, Part{Operation: op, AddedMS: round((s.now.sum(v)/s.now.sum(s.entry.Count) -
			s.baseline.sum(v)/s.baseline.sum(s.entry.Count)) * 1000)})
	}
	slices.SortFunc(parts, func(a, b Part) int {
		return cmp.Or(cmp.Compare(b.AddedMS, a.AddedMS), cmp.Compare(a.Operation, b.Operation))
	})
	if len(parts) == 0 {
		return c.Operation, nil
	}
	if len(parts) == 1 {
		return parts[0].Operation, nil
	}
	return parts[0].Operation, parts
}

// interval is a percentile bootstrap over the steps (Efron 1979): the 90 %
// interval of the share. Its draws are seeded: same evidence, same interval.
func interval(s spike, series []float64) [2]float64 {
	const draws = 200
	rng := rand.New(rand.NewPCG(1, 2))
	resample := func(w window) window {
		out := make(window, len(w))
		for i := range out {
			out[i] = w[rng.IntN(len(w))]
		}
		return out
	}
	shares := make([]float64, 0, draws)
	for range draws {
		n, b := resample(s.now), resample(s.baseline)
		nc, bc := n.sum(s.entry.Count), b.sum(s.entry.Count)
		if nc == 0 || bc == 0 {
			continue
		}
		total := n.sum(s.entry.Sum)/nc - b.sum(s.entry.Sum)/bc
		if total > 0 {
			shares = append(shares, (n.sum(series)/nc-b.sum(series)/bc)/total)
		}
	}
	if len(shares) == 0 {
		return [2]float64{}
	}
	slices.Sort(shares)
	return [2]float64{round(shares[len(shares)*5/100]), round(shares[len(shares)*95/100])}
}
