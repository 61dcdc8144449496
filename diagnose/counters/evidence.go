// Package counters reads the evidence of a diagnosis from counters in Prometheus: the
// hop_* families of the middleware or, if there are none, the families of the
// OpenTelemetry semantic conventions.
package counters

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus"
)

// Families of the middleware. They are read without aggregation. Increases must be
// taken before sums, since the restart of one replica would otherwise count the
// lifetime of all others as an increase.
const (
	selfSum         = "hop_self_duration_seconds_sum"
	durationSum     = "hop_duration_seconds_sum"
	durationCount   = "hop_duration_seconds_count"
	waitSum         = "hop_wait_duration_seconds_sum"
	queueSum        = "hop_queue_wait_seconds_sum"
	completionSum   = "hop_completion_duration_seconds_sum"
	completionCount = "hop_completion_duration_seconds_count"
)

var families = []string{selfSum, durationSum, durationCount, waitSum, queueSum, completionSum, completionCount}

// Bounds of the steps. A step is never shorter than the scrape interval.
const (
	minStep  = 2 * time.Second
	maxSteps = 300
)

// overflow is the label value for series beyond the limit of a family. It stands for
// many operations, so it is not an entry.
const overflow = "_OTHER"

// Read reads the evidence from start to end. It also returns the number of series read.
// An error names what could not be read.
func Read(ctx context.Context, c *prometheus.Client, start, end time.Time) (evidence.Metrics, int, error) {
	var every time.Duration
	if end.Sub(start) > rawSpan {
		every = max(end.Sub(start)/maxSteps, minStep).Round(time.Second)
	}
	var calls, made []prometheus.Series
	found := make([][]prometheus.Series, len(families))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, family := range families {
		g.Go(func() (err error) {
			if found[i], err = samples(gctx, c, family, start, end, every); err != nil {
				return fmt.Errorf("%s: %w", family, err)
			}
			return nil
		})
	}
	g.Go(func() (err error) {
		calls, err = readCalls(gctx, c, start, end, every)
		return err
	})
	g.Go(func() (err error) {
		if made, err = samples(gctx, c, callSelector("_sum", clientFamilies()), start, end, every); err != nil {
			return fmt.Errorf("durations of calls made: %w", err)
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return evidence.Metrics{}, 0, err
	}
	read := len(calls) + len(made)
	t := table{scrapes: scrapesOf(append(found, calls)...), family: map[string][]prometheus.Series{}}
	for i, family := range families {
		read += len(found[i])
		t.family[family] = found[i]
	}
	t.grid = gridOf(start, end, t.scrapes)
	ev := evidence.Metrics{Start: t.start, Step: t.step, Steps: t.steps, Foreign: map[string]bool{}}
	ev.Waits, ev.Queues = t.waits(), t.queues()
	ev.Calls = t.calls(calls)
	t.addMade(ev.Calls, made)
	hops := t.hops()
	ev.Hops = hops.all()
	ev.Entries = hops.entries(ev.Waits)
	ev.Entries = append(ev.Entries, t.asyncEntries(ev.Entries)...)
	if len(ev.Hops) == 0 && len(calls) > 0 {
		sums, err := readDurations(ctx, c, start, end, every)
		if err != nil {
			return ev, read, err
		}
		read += len(sums)
		ev.RED, ev.Entries = true, t.red(sums, ev.Calls)
	}
	return ev, read, nil
}

// gridOf divides the time up to the last moment at which all targets have been scraped
// into steps.
func gridOf(start, end time.Time, s scrapes) grid {
	step := max(minStep, s.every.Round(time.Second))
	for end.Sub(start)/step > maxSteps {
		step *= 2
	}
	until := s.until(end)
	steps := max(int(until.Sub(start)/step), 0)
	return grid{start: until.Add(-time.Duration(steps) * step), step: step, steps: steps}
}

// table holds the series that were read, by family.
type table struct {
	scrapes
	grid
	family map[string][]prometheus.Series
}

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
		to = make([]float64, t.steps)
	}
	t.place(to, t.increments(f))
	return to
}

// service returns the name of a series' service: service_name, or the job, to which
// an OTLP receiver maps service.name.
func service(labels map[string]string) string {
	return cmp.Or(labels["service_name"], labels["job"])
}

// hopTable holds the hops by service, operation, entry and flow. scraped holds the
// LevelSum and LevelCount of each, which are used if the hop is an entry.
type hopTable struct {
	hops    map[[4]string]*evidence.HopSeries
	scraped map[[4]string]*evidence.EntrySeries
}

func (t table) hops() hopTable {
	h := hopTable{map[[4]string]*evidence.HopSeries{}, map[[4]string]*evidence.EntrySeries{}}
	for _, family := range []string{selfSum, durationSum, durationCount} {
		for _, f := range t.family[family] {
			k := [4]string{service(f.Labels), f.Labels["operation"], f.Labels["entry"], f.Labels["flow"]}
			hop, own := h.hops[k], h.scraped[k]
			if hop == nil {
				hop = &evidence.HopSeries{Service: k[0], Operation: k[1], Entry: k[2], Flow: k[3],
					Self: make([]float64, t.steps), Duration: make([]float64, t.steps), Count: make([]float64, t.steps)}
				own = &evidence.EntrySeries{}
				h.hops[k], h.scraped[k] = hop, own
			}
			switch family {
			case selfSum:
				t.add(hop.Self, f)
			case durationSum:
				t.add(hop.Duration, f)
				own.LevelSum = t.scraped(own.LevelSum, f)
			case durationCount:
				t.add(hop.Count, f)
				own.LevelCount = t.scraped(own.LevelCount, f)
			}
		}
	}
	return h
}

func (h hopTable) all() []evidence.HopSeries {
	out := make([]evidence.HopSeries, 0, len(h.hops))
	for _, k := range sortedKeys(h.hops) {
		out = append(out, *h.hops[k])
	}
	return out
}

// entries returns the entries. The hop of an entry has its operation as its entry, and
// no other hop of the same entry calls it; the second condition excludes services that
// have an operation of the same name. Edges with the same operation form one entry,
// because the hops behind them do not distinguish them. Its service is the one with the
// most requests.
func (h hopTable) entries(waits []evidence.WaitSeries) []evidence.EntrySeries {
	type called struct{ service, entry string }
	inner := map[called]bool{}
	for _, w := range waits {
		if w.Service != w.Dependency {
			inner[called{w.Dependency, w.Entry}] = true
		}
	}
	index, busiest := map[string]int{}, map[string]float64{}
	var out []evidence.EntrySeries
	for _, k := range sortedKeys(h.hops) {
		hop, own := h.hops[k], h.scraped[k]
		if hop.Operation != hop.Entry || hop.Entry == "" || hop.Entry == overflow || hop.Flow != "request" ||
			inner[called{hop.Service, hop.Entry}] || own.LevelCount == nil || own.LevelSum == nil {
			continue
		}
		i, ok := index[hop.Operation]
		if !ok {
			i = len(out)
			index[hop.Operation] = i
			out = append(out, evidence.EntrySeries{Entry: result.Entry{Operation: hop.Operation}})
		}
		e := &out[i]
		if n := total(hop.Count); e.Service == "" || n > busiest[hop.Operation] {
			e.Service, busiest[hop.Operation] = hop.Service, n
		}
		e.Sum, e.Count = evidence.Plus(e.Sum, hop.Duration), evidence.Plus(e.Count, hop.Count)
		e.LevelSum, e.LevelCount = evidence.Plus(e.LevelSum, own.LevelSum), evidence.Plus(e.LevelCount, own.LevelCount)
	}
	return out
}

func (t table) waits() []evidence.WaitSeries {
	found := map[[6]string]*evidence.WaitSeries{}
	for _, f := range t.family[waitSum] {
		l := f.Labels
		k := [6]string{service(l), l["operation"], l["entry"], l["flow"], l["dependency"], l["dependency_kind"]}
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
	for _, f := range t.family[queueSum] {
		k := [4]string{service(f.Labels), f.Labels["operation"], f.Labels["entry"]}
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
	for _, family := range []string{completionSum, completionCount} {
		for _, f := range t.family[family] {
			k := [4]string{f.Labels["entry"], service(f.Labels), f.Labels["operation"]}
			e := flows[k]
			if e == nil {
				e = &evidence.EntrySeries{}
				e.Consumer = &result.Consumer{Service: k[1], Operation: k[2]}
				flows[k] = e
			}
			if family == completionSum {
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

// P95 returns the 95th percentile, in seconds, of an entry's duration over all given
// ranges. It interpolates linearly within a bucket, as histogram_quantile does. The
// result is NaN if there were no requests. red selects the families of the semantic
// conventions instead of hop_*.
func P95(ctx context.Context, c *prometheus.Client, e result.Entry, red bool, during []result.Range) (float64, error) {
	below := map[string]float64{}
	for _, r := range during {
		length := max(r.To.Sub(r.From), 2*minStep)
		for _, series := range bucketsOf(e, red) {
			found, err := c.Instant(ctx, fmt.Sprintf(`sum by (le) (increase(%s[%dms]))`, series, length.Milliseconds()), r.To)
			if err != nil {
				return 0, err
			}
			for _, f := range found {
				below[f.Labels["le"]] += f.Value
			}
		}
	}
	return quantile(.95, below)
}

// quantile returns a quantile by linear interpolation within its bucket. below maps the
// upper bound of each bucket to the number of observations up to it.
func quantile(q float64, below map[string]float64) (float64, error) {
	bounds := make([]float64, 0, len(below))
	at := map[float64]float64{}
	for le, n := range below {
		bound, err := parseBound(le)
		if err != nil {
			return 0, err
		}
		bounds = append(bounds, bound)
		at[bound] = n
	}
	slices.Sort(bounds)
	if len(bounds) == 0 || !(at[bounds[len(bounds)-1]] > 0) {
		return math.NaN(), nil
	}
	want := q * at[bounds[len(bounds)-1]]
	low, n := 0.0, 0.0
	for _, b := range bounds {
		if at[b] >= want {
			if math.IsInf(b, 1) || at[b] == n {
				return low, nil
			}
			return low + (b-low)*(want-n)/(at[b]-n), nil
		}
		low, n = b, at[b]
	}
	return low, nil
}

func parseBound(le string) (float64, error) {
	v, err := strconv.ParseFloat(le, 64)
	if err != nil {
		return 0, fmt.Errorf("bucket bound le=%q is not a number", le)
	}
	return v, nil
}
