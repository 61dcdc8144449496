// Package counters reads the evidence of a diagnosis from counters in Prometheus: the
// hop_* families of the middleware or, if there are none, the families of
// signals.Conventions.
package counters

import (
	"context"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/signals"
)

// Families of the middleware. They are read without aggregation. Increases must be
// taken before sums, since the restart of one replica would otherwise count the
// lifetime of all others as an increase.
const (
	selfTime   = "hop_self_duration_seconds"
	hopTime    = "hop_duration_seconds"
	waitTime   = "hop_wait_duration_seconds"
	queueTime  = "hop_queue_wait_seconds"
	completion = signals.HopCompletion
)

var hopFamilies = []string{selfTime, hopTime, waitTime, queueTime, completion}

// Bounds of the steps. A step is never shorter than the scrape interval.
const (
	minStep  = 2 * time.Second
	maxSteps = 300
)

// overflow is the label value for series beyond the limit of a family. It stands for
// many operations, so it is not an entry.
const overflow = "_OTHER"

// maxQueries bounds the queries that run at once.
const maxQueries = 4

// Read reads the evidence from start to end. It also returns the number of series read.
// An error names what could not be read.
func Read(ctx context.Context, c *prometheus.Client, start, end time.Time, opt Options) (evidence.Metrics, int, error) {
	r := &reader{c: c, opt: opt, start: start, end: end}
	if end.Sub(start) > rawSpan {
		r.every = max(end.Sub(start)/maxSteps, minStep).Round(time.Second)
	}
	if err := r.discover(ctx); err != nil {
		return evidence.Metrics{}, 0, err
	}
	var calls []parts
	var edges [][2]string
	var processes []prometheus.Series
	var alerts []evidence.Alert
	hops := make([]parts, len(hopFamilies))
	foreign := r.present[selfTime]+r.present[selfTime+"_sum"] == 0 // no self times
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(maxQueries)
	for i, family := range hopFamilies {
		g.Go(func() (err error) {
			wanted := []string{"_sum", "_count"}
			if family == waitTime || family == queueTime {
				wanted = wanted[:1]
			}
			hops[i].family = family
			hops[i].series, err = r.histogram(gctx, family, "", wanted...)
			return err
		})
	}
	g.Go(func() (err error) {
		calls, err = r.conventions(gctx, foreign)
		return err
	})
	g.Go(func() (err error) {
		edges, err = r.edges(gctx)
		return err
	})
	g.Go(func() (err error) {
		processes, err = r.processSeries(gctx)
		return err
	})
	g.Go(func() (err error) {
		alerts, err = r.alerts(gctx)
		return err
	})
	if err := g.Wait(); err != nil {
		return evidence.Metrics{}, 0, err
	}
	t := newTable(r, hops, calls)
	found := chosen(t.measure(r, calls))
	ev := t.middleware(found, edges)
	sure := len(ev.Entries) > 0 && !behind(ev, edges)
	if sure && !t.lacksDurations() {
		ev.Processes, ev.Alerts = t.processes(r, processes, slices.Concat(hops, calls)), alerts
		return ev, t.read, t.buckets(ctx, r, ev.Entries)
	}
	if !foreign {
		var err error
		if calls, err = r.conventions(ctx, true); err != nil {
			return evidence.Metrics{}, 0, err
		}
		t = newTable(r, hops, calls)
		found = chosen(t.measure(r, calls))
	}
	switch {
	case sure:
		ev = t.middleware(found, edges)
	case len(found) > 0:
		ev = t.conventional(found)
	case t.read == 0:
		ev.Unreadable = r.unreadable(ctx)
	}
	ev.Processes, ev.Alerts = t.processes(r, processes, slices.Concat(hops, calls)), alerts
	return ev, t.read, t.buckets(ctx, r, ev.Entries)
}

// middleware returns the evidence of the middleware's families, with the requests and
// calls that other families count.
func (t table) middleware(calls []*measured, edges [][2]string) evidence.Metrics {
	ev := evidence.Metrics{Start: t.start, Step: t.step, Steps: t.steps, Newest: t.newest(), Foreign: map[string]bool{}}
	ev.Waits, ev.Queues = t.waits(), t.queues()
	ev.Calls = callSeries(requests(calls))
	hops := t.hops(calls)
	ev.Hops = hops.all()
	ev.Entries = hops.entries(ev.Waits, edges)
	ev.Entries = append(ev.Entries, t.asyncEntries(ev.Entries)...)
	return ev
}

// behind reports whether each entry is called by a service that serves requests itself but
// reports no self time. The requests then begin at that service or before it, and the
// middleware does not see all of them.
func behind(ev evidence.Metrics, edges [][2]string) bool {
	hop, serves := map[string]bool{}, map[string]bool{}
	for _, h := range ev.Hops {
		hop[h.Service], serves[h.Service] = true, true
	}
	for _, edge := range edges {
		serves[edge[1]] = true
	}
	for _, c := range ev.Calls {
		if c.Dependency == "" {
			serves[c.Service] = true
		}
	}
	names := resolver{services: hop}
	for _, c := range ev.Calls {
		if c.Dependency != "" {
			edges = append(edges, [2]string{c.Service, names.service(c.Dependency)})
		}
	}
	return !slices.ContainsFunc(ev.Entries, func(e evidence.EntrySeries) bool {
		return !slices.ContainsFunc(edges, func(edge [2]string) bool {
			return edge[1] == e.Service && !hop[edge[0]] && serves[edge[0]] && !signals.Infrastructure(edge[0])
		})
	})
}

// gridOf divides the time up to the last moment at which all targets have been scraped
// into steps. The shortest steps begin at multiples of themselves, so that diagnoses that
// are run seconds apart read the same series. Longer ones would be late by too much.
func gridOf(start, end time.Time, s scrapes) grid {
	step := max(minStep, s.every.Round(time.Second))
	for end.Sub(start)/step > maxSteps {
		step *= 2
	}
	until := s.until(end)
	if step == minStep {
		until = until.Truncate(step)
	}
	steps := max(int(until.Sub(start)/step), 0)
	g := grid{start: until.Add(-time.Duration(steps) * step), step: step, steps: steps}
	if newest := s.newest(); steps > 0 && newest.After(until) {
		g.newer = int((newest.Sub(until) + step - 1) / step)
	}
	return g
}

// table holds the series that were read. Those of the middleware's families are in
// family, by the name of their counter.
type table struct {
	scrapes
	grid
	family map[string][]prometheus.Series
	read   int // number of series
}

func newTable(r *reader, hops, calls []parts) table {
	t := table{family: map[string][]prometheus.Series{}}
	var all [][]prometheus.Series
	for _, p := range slices.Concat(hops, calls) {
		for _, series := range p.series {
			all = append(all, series)
			t.read += len(series)
		}
	}
	t.scrapes = scrapesOf(all...)
	t.grid = gridOf(r.start, r.end, t.scrapes)
	for _, p := range hops {
		for suffix, series := range p.series {
			t.family[p.family+suffix] = series
		}
	}
	preferMiddleware(r, t.family)
	return t
}

// preferMiddleware sets the service of every series. It leaves out those that were
// derived from spans (source="spans") where the middleware reports the same service and
// entry itself, and for entries whose edge it reports: spans are complete some seconds
// after the middleware has counted, and a caller's wait without the callee's time would
// be the link's.
func preferMiddleware(r *reader, family map[string][]prometheus.Series) {
	type place struct{ service, entry string }
	own, edge := map[place]bool{}, map[string]bool{}
	for _, series := range family {
		for _, s := range series {
			s.Labels["service_name"], _ = r.service(nil, s.Labels)
			if s.Labels["flow"] == "" {
				s.Labels["flow"] = "request"
			}
			if s.Labels["source"] != fromSpans {
				own[place{s.Labels["service_name"], s.Labels["entry"]}] = true
				edge[s.Labels["entry"]] = edge[s.Labels["entry"]] || s.Labels["operation"] == s.Labels["entry"]
			}
		}
	}
	for name, series := range family {
		family[name] = slices.DeleteFunc(slices.Clone(series), func(s prometheus.Series) bool {
			return s.Labels["source"] == fromSpans && (edge[s.Labels["entry"]] || own[place{s.Labels["service_name"], s.Labels["entry"]}])
		})
	}
}

// fromSpans is the value of the label source in hop_* series that were derived from
// spans.
const fromSpans = "spans"

// add adds the increases of a series to to, one value per step, and returns to. It
// spreads them as grid.spread does.
func (t table) add(to []float64, f prometheus.Series) []float64 {
	if to == nil {
		to = make([]float64, t.steps)
	}
	t.spread(to, t.increments(f))
	return to
}

// scraped is like add but assigns each increase to the step of its scrape, as
// grid.place does.
func (t table) scraped(to []float64, f prometheus.Series) []float64 {
	if to == nil {
		to = make([]float64, t.steps+t.newer)
	}
	t.place(to, t.increments(f))
	return to
}

func (t table) waits() []evidence.WaitSeries {
	found := map[[6]string]*evidence.WaitSeries{}
	for _, f := range t.family[waitTime+"_sum"] {
		l := f.Labels
		k := [6]string{l["service_name"], l["operation"], l["entry"], l["flow"], l["dependency"], l["dependency_kind"]}
		if found[k] == nil {
			found[k] = &evidence.WaitSeries{Service: k[0], Operation: k[1], Entry: k[2], Flow: k[3], Dependency: k[4], Kind: k[5]}
		}
		found[k].Sum = t.add(found[k].Sum, f)
	}
	out := make([]evidence.WaitSeries, 0, len(found))
	for _, k := range slices.SortedFunc(maps.Keys(found), func(a, b [6]string) int { return slices.Compare(a[:], b[:]) }) {
		out = append(out, *found[k])
	}
	return out
}

func (t table) queues() []evidence.QueueSeries {
	found := map[[4]string]*evidence.QueueSeries{}
	for _, f := range t.family[queueTime+"_sum"] {
		k := [4]string{f.Labels["service_name"], f.Labels["operation"], f.Labels["entry"]}
		if found[k] == nil {
			found[k] = &evidence.QueueSeries{Service: k[0], Operation: k[1], Entry: k[2]}
		}
		found[k].Sum = t.add(found[k].Sum, f)
	}
	out := make([]evidence.QueueSeries, 0, len(found))
	for _, k := range sortedKeys(found) {
		out = append(out, *found[k])
	}
	return out
}

// asyncEntries returns the asynchronous flows of entries. The duration of a flow is the
// time to completion at the consumer for which it is longest.
func (t table) asyncEntries(sync []evidence.EntrySeries) []evidence.EntrySeries {
	flows := map[[4]string]*evidence.EntrySeries{}
	for _, family := range []string{completion + "_sum", completion + "_count"} {
		for _, f := range t.family[family] {
			k := [4]string{f.Labels["entry"], f.Labels["service_name"], f.Labels["operation"]}
			e := flows[k]
			if e == nil {
				e = &evidence.EntrySeries{}
				e.Consumer = &result.Consumer{Service: k[1], Operation: k[2]}
				flows[k] = e
			}
			if family == completion+"_sum" {
				e.Sum, e.LevelSum = t.add(e.Sum, f), t.scraped(e.LevelSum, f)
			} else {
				e.Count, e.LevelCount = t.add(e.Count, f), t.scraped(e.LevelCount, f)
			}
		}
	}
	last := map[string]*evidence.EntrySeries{}
	longest := map[string]float64{}
	for _, k := range sortedKeys(flows) {
		f := flows[k]
		// A series may be scraped for the first time between the two queries.
		if f.Sum == nil || total(f.Count) == 0 {
			continue
		}
		if m := total(f.Sum) / total(f.Count); m > longest[k[0]] {
			longest[k[0]], last[k[0]] = m, f
		}
	}
	var out []evidence.EntrySeries
	for _, e := range sync {
		if a := last[e.Operation]; a != nil {
			a.Service, a.Operation, a.Flow = e.Service, e.Operation, "async"
			out = append(out, *a)
		}
	}
	return out
}

func sortedKeys[V any](m map[[4]string]V) [][4]string {
	return slices.SortedFunc(maps.Keys(m), func(a, b [4]string) int { return slices.Compare(a[:], b[:]) })
}

func total(v []float64) float64 {
	t := 0.0
	for _, x := range v {
		t += x
	}
	return t
}
