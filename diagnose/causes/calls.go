package causes

import (
	"fmt"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// poolKind is the kind of dependency under which the middleware counts waits for a pool.
const poolKind = "pool"

// changeOf returns the entry of a finding in the metrics, with the steps before and now. It
// reports whether there are enough requests in both.
func changeOf(f result.Finding, q Question) (evidence.Change, bool) {
	m := q.Metrics
	if m.Step == 0 {
		return evidence.Change{}, false
	}
	entry := q.Result.Entry
	if f.Entry != "" {
		entry.Operation = f.Entry
	}
	c := evidence.Change{Entry: m.Entry(entry), Baseline: stepsIn(m, q.Result.BaselineRanges()), Now: stepsIn(m, []result.Range{q.Result.Window})}
	return c, c.Baseline.Sum(c.Entry.Count) >= stats.MinRequests && c.Now.Sum(c.Entry.Count) >= stats.MinRequests
}

// pooled returns the cause of a hop whose requests wait for a connection of a pool, by the
// hop's own account of its waits.
func pooled(f result.Finding, q Question) []candidate {
	c, ok := changeOf(f, q)
	if !ok || f.Kind != result.KindDependency || f.AddedMS <= 0 {
		return nil
	}
	var waited []float64
	for _, w := range q.Metrics.Waits {
		if w.Service == f.Hop && w.Entry == c.Entry.Operation && w.Dependency == f.Target && w.Kind == poolKind {
			waited = evidence.Plus(waited, w.Sum)
		}
	}
	before, now := c.PerRequest(waited)
	before, now = 1000*before, 1000*now
	share := (now - before) / f.AddedMS
	if share < minDirect {
		return nil
	}
	return []candidate{{Cause: result.Cause{Kind: result.CausePool, Sure: share >= sureDirect && now >= sureRatio*before,
		Why:      fmt.Sprintf("requests of %s wait for a free connection of its pool", f.Hop),
		Evidence: []result.Signal{{Signal: "wait for a connection, per request", Before: round(before), Now: round(now), Unit: "ms"}}}, service: f.Hop, share: share}}
}

// consumer adds to the cause of a queue what its consumer does: it takes longer for each
// message, it fails and takes them again, or there are more of them.
func consumer(f *result.Finding, q Question) {
	m := q.Metrics
	if m.Step == 0 {
		return
	}
	was, is := stepsIn(m, q.Result.BaselineRanges()), stepsIn(m, []result.Range{q.Result.Window})
	var count, took, failed [2]float64
	for i, w := range []evidence.Window{was, is} {
		length := float64(max(len(w), 1)) * m.Step.Seconds()
		for _, h := range m.Hops {
			if h.Service == f.Hop && h.Operation == f.Target {
				count[i], took[i] = count[i]+w.Sum(h.Count)/length, took[i]+w.Sum(h.Duration)/length
			}
		}
		for _, c := range m.Calls {
			if c.Service == f.Hop && c.Dependency == "" && c.Operation == f.Target {
				failed[i] += w.Sum(c.Failed) / length
			}
		}
	}
	if count[0] <= 0 || count[1] <= 0 {
		return
	}
	mean := [2]float64{1000 * took[0] / count[0], 1000 * took[1] / count[1]}
	add := func(why string, e result.Signal) {
		f.Cause.Why += ": " + why
		f.Cause.Evidence = append(f.Cause.Evidence, e)
	}
	switch {
	case failed[1]/count[1]-failed[0]/count[0] >= minFailing:
		add("some fail and are taken again", result.Signal{Signal: "messages that fail", Before: round(100 * failed[0] / count[0]), Now: round(100 * failed[1] / count[1]), Unit: "%"})
	case mean[1] >= slowerCall*mean[0]:
		add("each takes longer", result.Signal{Signal: "time of a message", Before: round(mean[0]), Now: round(mean[1]), Unit: "ms"})
	case count[1] >= slowerCall*count[0]:
		add("there are more of them", result.Signal{Signal: "messages", Before: round(count[0]), Now: round(count[1]), Unit: "1/s"})
	}
}
