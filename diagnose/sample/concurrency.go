package sample

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// Thresholds of lost concurrency. They were chosen on simulated pools, semaphores and
// loops, and on random fleets of which one hop is slow.
const (
	minTogether     = .2   // pairs that overlap in the baseline
	maxTogetherKept = .75  // pairs that still overlap, as a fraction of those in the baseline
	maxConcurrencyP = .001 // corrected p of the difference
	minLostShare    = .1   // lost time, as a fraction of the entry's added time
	minStepsBusy    = .8   // fraction of the time in which a cut child runs, if children queue
	sameLength      = 1.5  // ratio up to which the shortest child has not become slower
	maxPeak         = 1.7  // the most cut children at once, over their mean number while there are any
)

// fanStats holds the means per request of the fan-outs of one key, and one value per
// request of how many pairs overlap.
type fanStats struct {
	requests                                float64
	calls, busy, cutBusy, longest, shortest float64
	cutTook, spans, cutMost                 float64
	overlaps, cuts                          []float64
	inside                                  bool
	targets                                 map[string]bool
}

// fanStatsOf returns the statistics of the fan-outs of some requests.
func fanStatsOf(of Requests) map[fanKey]*fanStats {
	out := map[fanKey]*fanStats{}
	for i, r := range of.requests {
		w := of.weights[i] / of.total
		for _, f := range r.fans {
			s := out[f.key]
			if s == nil {
				s = &fanStats{targets: map[string]bool{}, inside: true}
				out[f.key] = s
			}
			s.requests += w
			s.calls += w * float64(f.calls)
			s.busy += w * f.busy.Seconds()
			s.cutBusy += w * f.cutBusy.Seconds()
			s.longest += w * f.longest.Seconds()
			s.shortest += w * f.shortest.Seconds()
			s.cutTook += w * f.cutTook.Seconds()
			s.spans += w * float64(f.spans)
			s.cutMost += w * float64(f.cutMost)
			s.overlaps = append(s.overlaps, f.together/f.pairs)
			s.cuts = append(s.cuts, f.cut/f.pairs)
			for _, t := range f.targets {
				s.targets[t] = true
			}
			s.inside = s.inside && f.inside
		}
	}
	return out
}

// targetOf returns the only service that the children run in or call, or "".
func (s *fanStats) targetOf() string {
	if len(s.targets) != 1 {
		return ""
	}
	return slices.Collect(maps.Keys(s.targets))[0]
}

// queue reports whether children that start together wait for a few workers. The
// shortest child takes as long as in the baseline, some child is always being served,
// and the number of those that are served at once hardly varies. Children that take
// longer each for itself end at any time, several at once or none.
func (s *fanStats) queue(was *fanStats) bool {
	return s.cutBusy > minStepsBusy*s.busy && s.shortest/s.requests < sameLength*was.shortest/was.requests &&
		s.cutMost/s.spans < maxPeak*s.cutTook/s.cutBusy
}

// lost is concurrency that a hop, or its callee, has lost.
type lost struct {
	key      fanKey
	targets  map[string]bool // services of the calls
	target   string          // the only one of them, or ""
	seconds  float64         // per request
	was, is  float64         // pairs that overlap
	calls    float64         // per request
	queueing bool            // the calls still start together, and finish one after another
	atCallee bool            // the queue is inside the callee
}

// lostConcurrency returns the fan-outs whose children overlap less than in the
// baseline, those that lost most time first.
//
// Children that start one after another have lost overlap. Children that still start
// together have queued if each, cut to the length of the shortest, follows another: the
// shortest is as fast as before, and there is always one being served.
func lostConcurrency(base, now Requests) []lost {
	before, after := fanStatsOf(base), fanStatsOf(now)
	tests := 0
	for k := range after {
		if before[k] != nil {
			tests += 2
		}
	}
	added := now.mean(seconds) - base.mean(seconds)
	var out []lost
	for k, is := range after {
		was := before[k]
		if was == nil {
			continue
		}
		l := lost{key: k, targets: is.targets, target: is.targetOf(), calls: is.calls / is.requests}
		switch {
		case fell(was.overlaps, is.overlaps, tests):
			l.was, l.is = stats.Median(was.overlaps), stats.Median(is.overlaps)
			// If as many overlapped as before, the longest child would decide.
			l.seconds = min(is.busy-was.busy, is.busy-is.longest*was.busy/was.longest)
		case fell(was.cuts, is.cuts, tests) && is.queue(was):
			l.was, l.is = stats.Median(was.cuts), stats.Median(is.cuts)
			l.seconds, l.queueing, l.atCallee = is.busy-was.busy, true, is.inside
		default:
			continue
		}
		if l.seconds >= minLostShare*added {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b lost) int {
		return cmp.Or(cmp.Compare(b.seconds, a.seconds), cmp.Compare(a.key.service, b.key.service), cmp.Compare(a.key.operation, b.key.operation))
	})
	return out
}

// fell reports whether the ratio of pairs that overlap is lower now. There is one value
// per request.
func fell(was, is []float64, tests int) bool {
	a, b := stats.Median(was), stats.Median(is)
	return a >= minTogether && b <= maxTogetherKept*a && stats.MannWhitney(is, was)*float64(tests) < maxConcurrencyP
}

// concurrency replaces findings that grew because calls follow each other, and not
// because more work is done, by findings of the kind concurrency.
func (s *Sample) concurrency(found []result.Finding, base, now Requests, minShare float64) []result.Finding {
	all := lostConcurrency(base, now)
	if len(all) == 0 {
		return found
	}
	added := (now.mean(seconds) - base.mean(seconds)) * 1000
	work := s.work(base, now)
	for _, l := range all {
		whole := l.finding()
		inside := map[string]bool{}
		for _, k := range slices.Sorted(maps.Keys(l.targets)) {
			maps.Copy(inside, s.behind(k))
		}
		left := l.seconds * 1000
		var rest []result.Finding
		for _, f := range found {
			take := 0.0
			between := f.Kind == result.KindLink && f.Target == l.key.service && inside[f.Hop] ||
				f.Kind == result.KindDependency && f.Hop == l.key.service ||
				l.queueing && l.atCallee && f.Kind == result.KindSelf && f.Hop == l.target
			if between {
				take = f.AddedMS // the wait for a worker
			} else if inside[f.Hop] {
				take = f.AddedMS - max(work[suspect{f.Hop, f.Kind, f.Target}].added()*1000, 0)
			}
			take = min(take, left)
			if take <= 0 || f.AddedMS <= 0 || f.Kind == result.KindMix {
				rest = append(rest, f)
				continue
			}
			part := take / f.AddedMS
			left -= take
			whole.BaselineMS, whole.NowMS = whole.BaselineMS+f.BaselineMS*part, whole.NowMS+f.BaselineMS*part+take
			whole.AddedMS, whole.Share = whole.AddedMS+take, whole.Share+f.Share*part
			for i := range whole.Interval {
				whole.Interval[i] += f.Interval[i] * part
				f.Interval[i] = stats.Round(f.Interval[i] * (1 - part))
			}
			f.AddedMS, f.NowMS = stats.Round(f.AddedMS-take), stats.Round(f.NowMS-take)
			f.CounterfactualMS = stats.Round(f.CounterfactualMS + take)
			if f.Share = stats.Round(f.Share * (1 - part)); f.Share >= minShare {
				rest = append(rest, f)
			}
		}
		if whole.AddedMS < minLostShare*added || whole.AddedMS < l.seconds*1000/2 {
			continue // the growth of the path is explained by more work
		}
		whole.CounterfactualMS = stats.Round(now.mean(seconds)*1000 - whole.AddedMS)
		for _, v := range []*float64{&whole.BaselineMS, &whole.NowMS, &whole.AddedMS, &whole.Share, &whole.Interval[0], &whole.Interval[1]} {
			*v = stats.Round(*v)
		}
		found = append(rest, whole)
	}
	slices.SortStableFunc(found, func(x, y result.Finding) int { return cmp.Compare(y.AddedMS, x.AddedMS) })
	return found
}

// finding returns the finding of lost concurrency without its times.
func (l lost) finding() result.Finding {
	f := result.Finding{Hop: l.key.service, Operation: cmp.Or(l.key.hop, l.key.operation), Kind: result.KindConcurrency, Target: l.target,
		Attributes: []result.Attribute{}, Exemplars: []string{}}
	calls := "calls"
	if l.target != "" && l.target != l.key.service {
		calls = "calls of " + l.target
	}
	how := "follow each other"
	if l.queueing {
		how = "start together but finish one after another"
	}
	f.Evidence = fmt.Sprintf("%.1f %s in a request: %.0f %% of their pairs overlapped, now %.0f %%", l.calls, calls, 100*l.was, 100*l.is)
	why := calls + " that used to overlap " + how + ": a worker pool, a semaphore, a connection pool or a loop without concurrency"
	if l.queueing {
		why = calls + " " + how + ": a pool of " + f.Hop + " is too small, or its callee handles few at a time"
	}
	f.Cause = &result.Cause{Kind: result.CauseLostConcurrency, Why: why, Sure: !l.queueing,
		Evidence: []result.Signal{{Signal: "pairs of calls that overlap", Before: stats.Round(l.was), Now: stats.Round(l.is)}}}
	return f
}
