package causes

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/signals"
)

// Thresholds of database calls.
const (
	minBusy        = 3   // calls that failed for a lock
	moreCalls      = 1.5 // calls per request, now to before
	slowerCall     = 1.5 // mean duration of an operation, now to before
	aloneShare     = .7  // of the time added, that one operation has
	otherGrowth    = .25 // growth of the mean of other operations, as a part of that one's
	minCalls       = 5   // of an operation now and before
	maxAlike       = 1.3 // growth of the mean of operations, that of one to that of another
	minConnections = .5  // busy with statements, from which these may be why others wait for one
	minWork        = .2  // of the time added, of operations that do more than wait for a lock
	minFast        = .15 // calls that are as fast as before, of an operation that waits for a lock at times
)

// lockFailures are the values of error_type of calls that failed for the lock of another
// transaction.
var lockFailures = []string{"SQLITE_BUSY", "SQLITE_LOCKED", "55P03", "40P01", "40001", "1205", "1213"}

// operation holds the calls of one operation of a store.
type operation struct {
	name                    string
	callsBefore, callsNow   float64 // per second
	secondsBefore, spentNow float64 // mean duration of a call

	// fast is the part of the calls now that take no longer than nine in ten did before, or
	// a negative number if it is unknown.
	fast float64
}

// growth returns the growth of the mean duration.
func (o operation) growth() float64 { return o.spentNow - o.secondsBefore }

// operations returns the calls of a hop to a dependency by operation, the calls per second
// that failed for a lock, before and now, and their number now.
func (t *table) operations(hop, dependency string) (out []operation, busy [2]float64, failed float64) {
	type sums struct {
		callsBefore, callsNow, timeBefore, timeNow float64
		upTo                                       map[float64][2]float64 // calls, before and now
	}
	by := map[string]*sums{}
	for _, i := range t.instances {
		if i.service != hop {
			continue
		}
		for k, s := range i.store {
			if dependency != "" && k.dependency != dependency {
				continue
			}
			bc, nc := t.windows.split(s.calls)
			bt, nt := t.windows.split(s.time)
			if slices.Contains(lockFailures, k.failure) {
				busy[0], busy[1], failed = busy[0]+mean(bc), busy[1]+mean(nc), failed+total(nc)
			}
			o := by[k.operation]
			if o == nil {
				o = &sums{upTo: map[float64][2]float64{}}
				by[k.operation] = o
			}
			for bound, points := range s.upTo {
				b, n := t.windows.split(points)
				o.upTo[bound] = [2]float64{o.upTo[bound][0] + mean(b), o.upTo[bound][1] + mean(n)}
			}
			o.callsBefore, o.callsNow = o.callsBefore+mean(bc), o.callsNow+mean(nc)
			o.timeBefore, o.timeNow = o.timeBefore+mean(bt), o.timeNow+mean(nt)
		}
	}
	for name, s := range by {
		o := operation{name: name, callsBefore: s.callsBefore, callsNow: s.callsNow, fast: fast(s.upTo)}
		if s.callsBefore > 0 {
			o.secondsBefore = s.timeBefore / s.callsBefore
		}
		if s.callsNow > 0 {
			o.spentNow = s.timeNow / s.callsNow
		}
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b operation) int { return strings.Compare(a.name, b.name) })
	return out, busy, failed
}

// usual is the part of the calls of the baseline that are as fast as usual.
const usual = .9

// fast returns the part of the calls now that are as fast as usual, from the calls up to
// each bound before and now, or -1 if there are none.
func fast(upTo map[float64][2]float64) float64 {
	all := upTo[math.Inf(1)]
	if all[0] <= 0 || all[1] <= 0 {
		return -1
	}
	for _, bound := range slices.Sorted(maps.Keys(upTo)) {
		if upTo[bound][0] >= usual*all[0] {
			return upTo[bound][1] / all[1]
		}
	}
	return -1
}

// locks reports whether an operation does nothing but wait for locks and the disk.
func locks(operation string) bool { return operation == "BEGIN" || operation == "LOCK" }

// writes reports whether an operation of SQL takes locks that exclude others.
func writes(operation string) bool {
	return slices.Contains([]string{"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "COMMIT", "BEGIN", "LOCK"}, operation)
}

// store returns the causes that the calls of a hop to its store tell.
func (t *table) store(f result.Finding, l load, found []growth) []candidate {
	dependency := f.Target
	if f.Kind == result.KindErrors {
		dependency = ""
	}
	ops, busy, failed := t.operations(f.Hop, dependency)
	var out []candidate
	name := f.Target
	if name == "" {
		name = "the store of " + f.Hop
	}
	isBusy := failed >= minBusy && busy[1] > 3*busy[0]
	busyEvidence := result.Signal{Signal: "calls that failed for a lock", Before: round(busy[0]), Now: round(busy[1]), Unit: "1/s"}
	if isBusy && f.Kind == result.KindErrors {
		return []candidate{{Cause: result.Cause{Kind: result.CauseDBLock, Sure: true, Evidence: []result.Signal{busyEvidence},
			Why: fmt.Sprintf("calls of %s fail because another transaction holds a lock in %s", f.Hop, name)}, share: 1}}
	}
	if len(ops) == 0 || l.added == 0 || l.now == 0 {
		return nil
	}
	scale := 1.0
	if l.before > 0 {
		scale = l.now / l.before
	}
	if l.scale > 0 {
		scale = l.scale // of all entries, as the calls are
	}
	added := func(o operation) float64 { return o.callsNow*o.spentNow - o.callsBefore*o.secondsBefore*scale }
	var worst, busiest operation // busiest does more than wait for locks
	all, lock, byNumber := 0.0, 0.0, 0.0
	for _, o := range ops {
		a := added(o)
		all += math.Max(a, 0)
		if locks(o.name) {
			lock += math.Max(a, 0)
		}
		if o.callsNow > moreCalls*o.callsBefore*scale && o.callsBefore > 0 {
			byNumber += (o.callsNow - o.callsBefore*scale) * math.Min(o.spentNow, 1.3*o.secondsBefore)
		}
		if a > added(worst) {
			worst = o
		}
		if !locks(o.name) && a > added(busiest) {
			busiest = o
		}
	}
	share := all / l.now / l.added
	if all <= 0 || share < minShare {
		return nil
	}
	enough := share >= sureDirect
	e := meanOf(worst)
	calls := result.Signal{Signal: "calls of " + worst.name, Before: round(worst.callsBefore), Now: round(worst.callsNow), Unit: "1/s"}
	add := func(kind, why string, sure bool, evidence ...result.Signal) {
		out = append(out, candidate{Cause: result.Cause{Kind: kind, Why: why, Evidence: evidence, Sure: sure && enough}, share: share})
	}
	others := func(fits func(operation) bool) (n int, most float64) {
		for _, o := range ops {
			if o.name != worst.name && fits(o) && o.callsNow*t.seconds() >= minCalls && o.callsBefore > 0 {
				n, most = n+1, max(most, o.growth())
			}
		}
		return n, most
	}
	reads, readGrowth := others(func(o operation) bool { return !writes(o.name) })
	rest, restGrowth := others(func(operation) bool { return true })
	cpu, wait := t.direct(found, f.Hop, signals.CPUTime, l), t.direct(found, f.Hop, signals.CPUWait, l)
	used, waited := cpu.sum[1]-cpu.sum[0]*math.Max(scale, 1), math.Max(wait.sum[1]-wait.sum[0]*math.Max(scale, 1), 0)
	work := all - lock // what waits for a lock waits for statements that use the processor
	switch {
	case isBusy:
		add(result.CauseDBLock, fmt.Sprintf("another transaction holds a lock in %s", name), true, busyEvidence, e)
	case cpu.moved > 0 && work >= minWork*all && used >= minWork*work && cpu.sum[1] >= sureRatio*cpu.sum[0]*math.Max(scale, 1) && used+waited >= sureDirect*work &&
		busiest.spentNow >= slowerCall*busiest.secondsBefore && byNumber < sureDirect*work:
		// The store is within the process, whose statements wait for a processor as they use one.
		add(result.CauseSlowQuery, fmt.Sprintf("statements in %s take longer, and use the processor of %s: they do more work", name, f.Hop), true, meanOf(busiest), evidenceOf(cpu.largest))
	case lock >= sureDirect*all && (reads == 0 || readGrowth < otherGrowth*worst.growth()):
		add(result.CauseDBLock, fmt.Sprintf("transactions wait for another writer of %s", name), true, e)
	case byNumber >= sureDirect*all:
		add(result.CauseNPlusOne, fmt.Sprintf("%s calls %s more often for each request, each call as long as before", f.Hop, name), true, calls, e)
	case worst.spentNow < slowerCall*worst.secondsBefore:
	case writes(worst.name) && (reads == 0 || readGrowth < otherGrowth*worst.growth()) && (worst.fast >= minFast || added(worst) < aloneShare*all):
		// A lock that is held at times leaves the calls in between as they were. So does a
		// statement that is slow for some values.
		why := fmt.Sprintf("%s in %s waits at times", worst.name, name)
		if reads > 0 {
			why = fmt.Sprintf("writes in %s wait at times, reads do not", name)
		}
		add(result.CauseDBLock, why+": another transaction may hold a lock", false, e)
	case writes(worst.name) && rest > 0 && added(worst) >= aloneShare*all && restGrowth < otherGrowth*worst.growth():
		add(result.CauseSlowQuery, fmt.Sprintf("%s in %s takes longer, other calls do not", worst.name, name), worst.fast >= 0, e)
	case rest > 0 && added(worst) >= aloneShare*all && restGrowth < otherGrowth*worst.growth():
		add(result.CauseSlowQuery, fmt.Sprintf("%s in %s takes longer, other calls do not", worst.name, name), true, e)
	case t.alike(ops):
		add(result.CauseLink, fmt.Sprintf("each call to %s takes about as much longer, whatever it does: look at the network between them first", name), false, e)
	default:
		why := fmt.Sprintf("every kind of call to %s takes longer", name)
		if !t.reports(f.Hop, signals.PoolWait, signals.PoolWaiting) {
			why += fmt.Sprintf("; %s does not export how long it waits for a connection of its pool", f.Hop)
		}
		add(result.CauseDependency, why, rest > 0, e)
	}
	return out
}

// alike reports whether the calls of all operations take about as much longer, and hardly
// any call is as fast as before: a delay on the way. A busy store delays calls at times.
func (t *table) alike(ops []operation) bool {
	n, least, most := 0, math.Inf(1), 0.0
	for _, o := range ops {
		if o.callsNow*t.seconds() < minCalls || o.callsBefore == 0 {
			continue
		}
		if o.fast < 0 || o.fast >= minFast/3 {
			return false
		}
		n, least, most = n+1, min(least, o.growth()), max(most, o.growth())
	}
	return n > 1 && most <= maxAlike*least
}

// meanOf returns the mean duration of an operation as evidence.
func meanOf(o operation) result.Signal {
	return result.Signal{Signal: "mean of " + o.name, Before: round(1000 * o.secondsBefore), Now: round(1000 * o.spentNow), Unit: "ms"}
}

// connections returns the mean number of connections of each instance that are busy with
// statements of a hop's calls to a dependency now: their rate times their mean duration (Little
// 1961).
func (t *table) connections(f result.Finding) (n float64) {
	if f.Kind != result.KindDependency {
		return math.Inf(1)
	}
	ops, _, _ := t.operations(f.Hop, f.Target)
	for _, o := range ops {
		n += o.callsNow * o.spentNow
	}
	return n / float64(max(t.count(f.Hop), 1))
}

// reports reports whether an instance of a service exports one of some measures.
func (t *table) reports(service string, measures ...signals.Measure) bool {
	return slices.ContainsFunc(t.instances, func(i *instance) bool {
		return i.service == service && slices.ContainsFunc(measures, func(m signals.Measure) bool { return len(i.tracks[m].points) > 0 })
	})
}

// seconds returns the length of the window of now.
func (t *table) seconds() float64 { return t.windows.now.To.Sub(t.windows.now.From).Seconds() }

func round(v float64) float64 { return math.Round(v*1000) / 1000 }
