package causes

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/signals"
)

// Shares of the added time that the effect of a signal must have.
const (
	sureDirect = .5 // of a wait, which is compared with the added time itself
	sureStall  = .3 // of a stall, whose effect is a lower bound
	minDirect  = .4 // of a wait, for a cause that is not sure
	minShare   = .1 // of a stall, for a cause that is not sure
	sureRatio  = 3  // of a wait or of processor time, now to before: what serves no request waits, too
	notWaiting = .3 // of the stalled time, that a process that was stopped may have waited for a processor
	minGC      = .2 // of the process's CPU time, that garbage collection takes
	minGCTime  = .2 // cores, by which garbage collection grew
)

// maxLooked is the number of signals that did not move in the evidence.
const maxLooked = 4

// candidate is a possible cause.
type candidate struct {
	result.Cause
	service  string
	share    float64
	instance string
	measure  signals.Measure // that moved; "" if the cause is not told by one
	loop     *loop           // of calls that are made more often; nil if the finding stays where it is
}

// plain returns a candidate from an effect at a service. Its instance is set if one of
// several has almost all of the growth, whether or not that of the others is significant.
func (t *table) plain(service, kind, why string, e effect, sure bool) candidate {
	c := candidate{Cause: result.Cause{Kind: kind, Why: why, Evidence: []result.Signal{evidenceOf(e.largest)}, Sure: sure}, service: service, share: e.share,
		measure: e.largest.signal.Measure}
	if t.count(service) > 1 && e.largest.by() >= (1-maxOthers)*e.total {
		c.instance = e.largest.instance
	}
	if e.largest.early && !sure {
		c.share = 0 // it moved at another time, and explains little
	}
	c.Sure = sure && !e.largest.early
	if e.largest.everywhere {
		c.Sure = false
		c.Why += ", and so do other services: look at the machine first"
	}
	return c
}

// waits returns a candidate from the time that requests wait, or the processor time that
// they use.
func (t *table) waits(service, kind, why string, e effect) candidate {
	c := t.plain(service, kind, why, e, e.share >= sureDirect && e.sum[1] >= sureRatio*e.sum[0])
	if e.share < minDirect {
		c.share = 0
	}
	return c
}

// count returns the number of instances of a service.
func (t *table) count(service string) (n int) {
	for _, i := range t.instances {
		if i.service == service {
			n++
		}
	}
	return n
}

// explain sets the cause and the instance of a finding.
func (t *table) explain(f *result.Finding, l load, q Question) {
	of := services(*f)
	found := t.growths(of)
	var all []candidate
	for _, s := range of {
		all = append(all, t.events(s, *f, found)...)
	}
	var process []candidate
	for _, s := range of {
		process = append(process, t.process(found, s, l, f.Kind == result.KindSelf || f.Kind == result.KindErrors)...)
	}
	// More calls use more processor time, and so do slow statements of a store in the process;
	// a process that stands still makes callers repeat theirs.
	repeats := visits(*f, q)
	at := slices.IndexFunc(process, func(c candidate) bool { return c.Kind == result.CauseCPU || c.Kind == result.CauseLock })
	if at < 0 {
		at = len(process)
	}
	if f.Kind != result.KindErrors {
		process = slices.Insert(process, at, repeats...)
		at += len(repeats)
	}
	var store []candidate
	if f.Kind == result.KindDependency || f.Kind == result.KindErrors {
		store = t.store(*f, l, found)
	}
	statements := func(c candidate) bool { return c.Kind == result.CauseDBLock || c.Kind == result.CauseSlowQuery }
	busy := slices.ContainsFunc(q.Result.Findings, func(o result.Finding) bool {
		return o.Hop == f.Hop && o.Kind == result.KindSelf && 2*o.AddedMS > f.AddedMS // its handlers are slower, too
	})
	if f.Kind == result.KindDependency && !busy {
		for _, c := range store {
			if c.Sure && statements(c) {
				process = slices.Insert(process, at, c)
			}
		}
	}
	all = append(all, process...)
	// Statements that take longer hold their connections for longer.
	if !slices.ContainsFunc(store, statements) || t.connections(*f) < minConnections {
		all = append(all, t.pool(found, *f, l)...)
		all = append(all, pooled(*f, q)...)
	}
	all = append(all, store...)
	all = append(all, t.overload(found, *f, l, q)...)
	all = append(all, t.unanswered(*f, q, found)...)
	all = append(all, abandoned(*f, q)...)
	if f.Kind == result.KindErrors {
		all = append(all, repeats...) // callers repeat calls that fail, whatever they fail for
	}
	for i := range all {
		t.distrust(&all[i])
	}
	if f.Together { // a far end that may stand still explains one of the links at most
		all = slices.DeleteFunc(all, func(c candidate) bool { return !c.Sure && c.service == f.Target })
	}
	chosen := choice(all)
	switch {
	case chosen != nil && (f.Cause == nil || chosen.Sure || f.Cause.Kind == result.CauseFrozen && chosen.Kind == result.CauseDependency):
		f.Cause = &chosen.Cause
		f.Cause.Service = chosen.service
		f.Instance = cmp.Or(f.Instance, chosen.instance)
		chosen.placeIn(f)
		if chosen.loop != nil {
			chosen.loop.placeIn(f)
		}
	case f.Cause == nil:
		f.Cause = t.nothing(*f, found)
	}
	if f.Instance == "" && f.Kind == result.KindSelf {
		f.Instance = t.carrier(f.Hop)
	}
	resilience(f.Cause, found)
	if f.Cause.Evidence == nil {
		f.Cause.Evidence = []result.Signal{}
	}
}

// placeIn makes the service of a sure cause the hop of a link whose end nothing else tells.
func (c candidate) placeIn(f *result.Finding) {
	if !f.EitherEnd || !c.Sure || c.service == "" {
		return
	}
	turn(f, c.service)
}

// turn makes a service at an end of a link the hop of its finding, since a signal of it tells.
func turn(f *result.Finding, service string) {
	if service == f.Target {
		f.Hop, f.Target = f.Target, f.Hop
	}
	f.EitherEnd, f.Evidence = false, "a signal of "+service+" tells its end"
}

// choice returns the first sure candidate, since a cause comes before its symptoms, or else
// the one with the largest effect.
func choice(all []candidate) *candidate {
	var best *candidate
	for i := range all {
		c := &all[i]
		switch {
		case c.Sure:
			return c
		case c.share >= minShare && (best == nil || c.share > best.share):
			best = c
		}
	}
	return best
}

// process returns the causes that the signals of a process tell. A cause comes before
// those that are its symptoms: a throttled process stalls, and its goroutines wait for locks
// and for a processor. What handlers do, such as waiting for a lock, is within the hop's own
// time: it explains no link.
func (t *table) process(found []growth, service string, l load, handlers bool) []candidate {
	var out []candidate
	direct := func(m signals.Measure) effect { return t.direct(found, service, m, l) }
	if e := t.stall(found, service, signals.Throttled, signals.Throttles, l); e.moved > 0 {
		if wait := direct(signals.CPUWait); wait.share > e.share {
			e.share = wait.share
		}
		out = append(out, t.plain(service, result.CauseThrottled, fmt.Sprintf("%s is throttled: it has used up its CPU quota", service), e, e.share >= sureStall))
	}
	frozen := t.frozen(found, service, l)
	// The collector of a process that stands still waits with it, and is no cause.
	still := len(frozen) > 0 && frozen[0].Sure && direct(signals.GCTime).sum[1] < minGCTime
	if e := t.collector(found, service, l); e.moved > 0 && !still {
		out = append(out, t.plain(service, result.CauseGC, fmt.Sprintf("%s spends its time in garbage collection", service), e, e.share >= sureStall))
	}
	out = append(out, frozen...)
	memory := t.stall(found, service, signals.MemoryStall, "", l)
	if faults := direct(signals.DiskFaults); faults.moved > 0 && memory.moved > 0 {
		c := t.plain(service, result.CauseMemory, fmt.Sprintf("%s waits for memory: its pages are read from disk again", service), memory, memory.share >= sureStall)
		c.Evidence = append(c.Evidence, evidenceOf(faults.largest))
		out = append(out, c)
	}
	for _, m := range []signals.Measure{signals.LockWait, signals.LockBlocked} {
		if e := direct(m); e.moved > 0 && handlers {
			out = append(out, t.waits(service, result.CauseLock, fmt.Sprintf("requests wait for a lock within %s", service), e))
		}
	}
	if e := direct(signals.OldestRequest); e.moved > 0 && handlers {
		if oldest := t.oldest(service, e.largest.instance); oldest >= minHang && oldest >= hangRatio*l.duration {
			c := t.plain(service, result.CauseFrozen, fmt.Sprintf("requests hang in %s: the oldest was %.0f s old", service, oldest), e, false)
			c.share = sureDirect
			out = append(out, c)
		}
	}
	if e := direct(signals.CPUTime); e.moved > 0 && handlers {
		gc := t.direct(found, service, signals.GCTime, l)
		e.share = math.Max(e.share-gc.share, 0)
		out = append(out, t.waits(service, result.CauseCPU, fmt.Sprintf("%s uses more processor time for each request", service), e))
	}
	for _, m := range []signals.Measure{signals.CPUWait, signals.ScheduleWait} {
		if e := direct(m); e.moved > 0 {
			out = append(out, t.waits(service, result.CauseCPU, fmt.Sprintf("%s waits for a processor", service), e))
		}
	}
	return out
}

// A request hangs if it is this old, and much older than those that end take.
const (
	minHang   = 3 // seconds
	hangRatio = 1.5
)

// oldest returns the greatest age of a request of an instance now, in seconds.
func (t *table) oldest(service, name string) (most float64) {
	for _, i := range t.instances {
		if i.service == service && i.name == name {
			_, now := t.windows.split(i.tracks[signals.OldestRequest].points)
			for _, p := range now {
				most = max(most, p.value)
			}
		}
	}
	return most
}

// collector returns the effect of garbage collection: of its pauses, of the work that
// requests do for it, or of the part of the process's CPU time that it takes.
func (t *table) collector(found []growth, service string, l load) effect {
	best := t.direct(found, service, signals.GCAssist, l)
	if e := t.stall(found, service, signals.GCPause, signals.GCPauses, l); e.share > best.share || best.moved == 0 {
		best = e
	}
	gc, cpu := t.direct(found, service, signals.GCTime, l), t.direct(found, service, signals.CPUTime, l)
	idle := t.direct(found, service, signals.GCIdleTime, l)
	used, before := gc.sum[1]-idle.sum[1], math.Max(gc.sum[0]-idle.sum[0], 0)
	part := (used - before) / math.Max(cpu.sum[1], gc.sum[1])
	// Of the time that the process waits for a processor, its collector has as large a part: on
	// a busy machine it gets little of one, and delays requests all the same.
	wait := t.direct(found, service, signals.CPUWait, l)
	taken := used + math.Max(part, 0)*math.Max(wait.sum[1]-wait.sum[0], 0)
	if gc.moved == 0 || part < minGC || taken < minGCTime+before || l.added == 0 {
		return best
	}
	// It delays a request by no more than the part of a processor that it takes.
	gc.share = math.Min(part, taken) * math.Max(l.duration, l.added) / l.added
	if gc.share > best.share {
		best = gc
	}
	return best
}

// frozen returns the cause of a process that did not run although nothing kept it from a
// processor. Only a process that says how long it waited for one can be told from a starved
// one. Scrapes of a busy machine's innocent processes are late, too: they count if the
// process does not say how long it stood still.
func (t *table) frozen(found []growth, service string, l load) []candidate {
	best := t.stall(found, service, signals.Stalled, signals.Stalls, l)
	probed := t.probe(found, service, l)
	own := best.of > 0
	if !own {
		best = probed
	}
	if best.moved == 0 {
		return nil
	}
	stalled := math.Max(best.largest.by(), 0)
	if !own {
		stalled = math.Min(best.share, 1)
	}
	waits, known := 0.0, false
	for _, g := range found {
		if g.service == service && g.instance == best.largest.instance && g.signal.Measure == signals.CPUWait {
			waits, known = g.by(), true
		}
	}
	if waits > notWaiting*stalled {
		return nil // it was starved
	}
	share := best.share
	if probed.moved > 0 {
		share = math.Max(share, probed.share)
	}
	c := t.plain(service, result.CauseFrozen, fmt.Sprintf("%s stands still at times: the process does not run, though it does not wait for a processor", service), best, known && own && share >= sureStall)
	if c.share = math.Max(c.share, share); !known || !own {
		c.Why = fmt.Sprintf("%s stands still at times: it was stopped, or has no processor", service)
	}
	if own && probed.moved > 0 {
		c.Evidence = append(c.Evidence, evidenceOf(probed.largest))
	}
	return []candidate{c}
}

// pool returns the cause of callers that queue for a connection.
func (t *table) pool(found []growth, f result.Finding, l load) []candidate {
	var out []candidate
	for _, m := range []signals.Measure{signals.PoolWait, signals.PoolWaiting} {
		if e := t.direct(found, f.Hop, m, l); e.moved > 0 {
			out = append(out, t.waits(f.Hop, result.CausePool, fmt.Sprintf("requests of %s wait for a free connection of its pool", f.Hop), e))
		}
	}
	return out
}

// nothing returns the cause of a finding with which no signal moved: what was looked at.
func (t *table) nothing(f result.Finding, found []growth) *result.Cause {
	for _, d := range t.deploys {
		if d.Service == f.Hop && f.Kind == result.KindSelf {
			return &result.Cause{Kind: result.CauseCode, Why: fmt.Sprintf("%s runs version %s since %s, %s before", d.Service, d.Version, d.Seen.Format("15:04:05"), d.Before)}
		}
	}
	looked, ends, counts := map[string]bool{}, map[string]bool{}, t.countStalls(services(f)...)
	var doubt []string // services whose stalls grew, though not significantly
	var evidence []result.Signal
	for _, g := range found {
		if word := words[g.signal.Measure]; word != "" {
			looked[word] = true
		}
		if g.signal.Measure == signals.ScrapeTime || g.signal.Measure == signals.Stalled {
			ends[g.service] = true
			doubts := g.signal.Measure == signals.Stalled || !counts[g.instance]
			if doubts && g.now > 2*g.before+2*noise(g.signal.Measure) && !slices.Contains(doubt, g.service) && (!f.Together || g.service == f.Hop) {
				doubt = append(doubt, g.service)
			}
			if len(evidence) < maxLooked {
				e := evidenceOf(g)
				e.Signal += " of " + g.instance
				evidence = append(evidence, e)
			}
		}
	}
	switch {
	case f.Kind == result.KindErrors && f.Target != "" && t.answers(f.Hop, found) && t.answers(f.Target, found):
		return &result.Cause{Kind: result.CauseLink, Evidence: evidence,
			Why: fmt.Sprintf("calls between %s and %s fail on the way: both answer scrapes, and neither restarted", f.Target, f.Hop)}
	case len(doubt) > 0:
		return &result.Cause{Kind: result.CauseUnknown, Evidence: evidence,
			Why: fmt.Sprintf("%s may stand still at times: its signals grew, but were as high before now and then", strings.Join(slices.Sorted(slices.Values(doubt)), " or "))}
	case f.Kind == result.KindLink && ends[f.Hop] && ends[f.Target]:
		return &result.Cause{Kind: result.CauseLink, Evidence: evidence,
			Why: fmt.Sprintf("neither %s nor %s stands still: look at the network or a proxy between them", f.Target, f.Hop)}
	case f.Kind == result.KindDependency && !ends[f.Target]:
		return &result.Cause{Kind: result.CauseDependency, Why: fmt.Sprintf("calls of %s take longer; it exports nothing that tells why", f.Target)}
	case len(looked) == 0:
		return &result.Cause{Kind: result.CauseUnknown, Why: fmt.Sprintf("%s exports no signals of its process", strings.Join(services(f), " and "))}
	}
	names := make([]string, 0, len(looked))
	for n := range looked {
		names = append(names, n)
	}
	slices.Sort(names)
	return &result.Cause{Kind: result.CauseUnknown, Evidence: evidence,
		Why: fmt.Sprintf("nothing that was looked at moved with it: %s of %s", strings.Join(names, ", "), strings.Join(services(f), " and "))}
}

// words names what was looked at.
var words = map[signals.Measure]string{
	signals.CPUTime: "processor time", signals.CPUWait: "waits for a processor", signals.ScheduleWait: "waits for a processor",
	signals.Throttled: "throttling", signals.Stalled: "stalls", signals.ScrapeTime: "stalls", signals.GCTime: "garbage collection", signals.GCPause: "garbage collection",
	signals.LockWait: "locks", signals.LockBlocked: "locks", signals.PoolWait: "connection pools", signals.PoolWaiting: "connection pools",
	signals.MemoryStall: "memory", signals.MemoryUsed: "memory", signals.DiskFaults: "memory", signals.Started: "restarts", signals.Restarts: "restarts",
	signals.OldestRequest: "requests that hang", signals.Shed: "refused requests", signals.BulkheadFull: "refused requests",
}

// evidenceOf returns the values of a signal, rates of seconds in ms/s.
func evidenceOf(g growth) result.Signal {
	factor, unit := 1000.0, "ms/s"
	switch g.signal.Measure {
	case signals.CPUTime, signals.GCTime:
		factor, unit = 1, "cores"
	case signals.ScrapeTime:
		unit = "ms"
	case signals.OldestRequest:
		factor, unit = 1, "s"
	case signals.LockBlocked, signals.PoolWaiting:
		factor, unit = 1, ""
	case signals.DiskFaults, signals.Shed, signals.BulkheadFull, signals.BreakerOpen, signals.CallRetries:
		factor, unit = 1, "1/s"
	}
	round := func(v float64) float64 { return math.Round(v*factor*1000) / 1000 }
	return result.Signal{Signal: g.signal.Series, Before: round(g.before), Now: round(g.now), Unit: unit}
}
