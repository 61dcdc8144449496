package prometheus

import (
	"context"
	"fmt"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/diagnose"
)

// The families of the middleware, a series an instance: a counter's growth has
// to be taken before the sum, or one replica's restart counts the lifetime of
// all the others as growth.
var queries = map[string]string{
	"self":            `sum by (service_name, operation, entry, flow, job, instance) (hop_self_duration_seconds_sum)`,
	"duration":        `sum by (service_name, operation, entry, flow, job, instance) (hop_duration_seconds_sum)`,
	"count":           `sum by (service_name, operation, entry, flow, job, instance) (hop_duration_seconds_count)`,
	"wait":            `sum by (service_name, operation, entry, flow, dependency, dependency_kind, job, instance) (hop_wait_duration_seconds_sum)`,
	"queue":           `sum by (service_name, operation, entry, job, instance) (hop_queue_wait_seconds_sum)`,
	"completionSum":   `sum by (service_name, operation, entry, job, instance) (hop_completion_duration_seconds_sum)`,
	"completionCount": `sum by (service_name, operation, entry, job, instance) (hop_completion_duration_seconds_count)`,
}

// Collect reads the evidence of the time from start on. It returns the number
// of series read.
func (c *Client) Collect(ctx context.Context, start time.Time, step time.Duration, steps int) (diagnose.Evidence, int, error) {
	ev := diagnose.Evidence{Start: start, Step: step, Steps: steps, Foreign: map[string]bool{}}
	results := map[string]*[]Series{}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for name, q := range queries {
		to := &[]Series{}
		results[name] = to
		g.Go(func() error {
			// One step more in front: growth needs a value to grow from.
			found, err := c.Range(gctx, q, start.Add(-step), step, steps+1)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			for i := range found {
				found[i].Values = growth(found[i].Values)
			}
			*to = overInstances(found)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return ev, 0, err
	}
	read := 0
	for _, r := range results {
		read += len(*r)
	}
	hops := map[[4]string]*diagnose.HopSeries{}
	hop := func(l map[string]string) *diagnose.HopSeries {
		k := [4]string{l["service_name"], l["operation"], l["entry"], l["flow"]}
		if hops[k] == nil {
			hops[k] = &diagnose.HopSeries{Service: k[0], Operation: k[1], Entry: k[2], Flow: k[3],
				Self: make([]float64, steps), Duration: make([]float64, steps), Count: make([]float64, steps)}
		}
		return hops[k]
	}
	for _, s := range *results["self"] {
		hop(s.Labels).Self = s.Values
	}
	for _, s := range *results["duration"] {
		hop(s.Labels).Duration = s.Values
	}
	for _, s := range *results["count"] {
		hop(s.Labels).Count = s.Values
	}
	for _, h := range hops {
		ev.Hops = append(ev.Hops, *h)
		if h.Operation == h.Entry && h.Flow == "request" {
			ev.Entries = append(ev.Entries, diagnose.EntrySeries{
				Entry: diagnose.Entry{Service: h.Service, Operation: h.Operation}, Sum: h.Duration, Count: h.Count})
		}
	}
	for _, s := range *results["wait"] {
		ev.Waits = append(ev.Waits, diagnose.WaitSeries{Service: s.Labels["service_name"], Operation: s.Labels["operation"],
			Entry: s.Labels["entry"], Flow: s.Labels["flow"], Dependency: s.Labels["dependency"], Kind: s.Labels["dependency_kind"], Sum: s.Values})
	}
	for _, s := range *results["queue"] {
		ev.Queues = append(ev.Queues, diagnose.QueueSeries{Service: s.Labels["service_name"], Operation: s.Labels["operation"],
			Entry: s.Labels["entry"], Sum: s.Values})
	}
	ev.Entries = append(ev.Entries, asyncEntries(*results["completionSum"], *results["completionCount"], ev.Entries)...)
	return ev, read, nil
}

// asyncEntries are the flows behind queues: of each entry, the completion at
// the consumer that ends last.
func asyncEntries(sums, counts []Series, sync []diagnose.EntrySeries) []diagnose.EntrySeries {
	type consumer struct{ service, operation string }
	count := map[string]map[consumer][]float64{}
	for _, s := range counts {
		e := s.Labels["entry"]
		if count[e] == nil {
			count[e] = map[consumer][]float64{}
		}
		count[e][consumer{s.Labels["service_name"], s.Labels["operation"]}] = s.Values
	}
	last := map[string]diagnose.EntrySeries{}
	longest := map[string]float64{}
	for _, s := range sums {
		e := s.Labels["entry"]
		n := count[e][consumer{s.Labels["service_name"], s.Labels["operation"]}]
		if total(n) == 0 {
			continue // its first scrape came between the two questions
		}
		if m := total(s.Values) / total(n); m > longest[e] {
			longest[e] = m
			last[e] = diagnose.EntrySeries{Sum: s.Values, Count: n}
		}
	}
	var out []diagnose.EntrySeries
	for _, e := range sync {
		if a, ok := last[e.Operation]; ok {
			a.Entry = diagnose.Entry{Service: e.Service, Operation: e.Operation, Flow: "async"}
			out = append(out, a)
		}
	}
	return out
}

func total(v []float64) float64 {
	t := 0.0
	for _, x := range v {
		t += x
	}
	return t
}

// growth turns a counter's values into what was added in each step. A gap is
// bridged, and a counter that fell has started again from zero.
func growth(v []float64) []float64 {
	out := make([]float64, len(v)-1)
	last := math.NaN()
	for i, x := range v {
		if math.IsNaN(x) {
			continue
		}
		if i > 0 {
			switch {
			case math.IsNaN(last) && i > 1:
				out[i-1] = x // a series that appears has counted from zero
			case math.IsNaN(last):
			case x >= last:
				out[i-1] = x - last
			default:
				out[i-1] = x
			}
		}
		last = x
	}
	return out
}

// overInstances adds up the series that differ only in the instance.
func overInstances(found []Series) []Series {
	index := map[string]int{}
	var out []Series
	for _, s := range found {
		delete(s.Labels, "job")
		delete(s.Labels, "instance")
		k := fmt.Sprint(s.Labels) // maps print in the order of their keys
		i, ok := index[k]
		if !ok {
			index[k] = len(out)
			out = append(out, s)
			continue
		}
		for j, v := range s.Values {
			out[i].Values[j] += v
		}
	}
	return out
}

// P95 asks for an entry's 95th percentile over the time up to end.
func (c *Client) P95(ctx context.Context, operation string, end time.Time, length time.Duration) (float64, error) {
	seconds := int(math.Max(length.Seconds(), 4))
	return c.Instant(ctx, fmt.Sprintf(`histogram_quantile(0.95, sum by (le) (increase(hop_duration_seconds_bucket{operation=%q, entry=%q, flow="request"}[%ds])))`,
		operation, operation, seconds), end)
}
