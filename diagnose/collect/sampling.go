package collect

import (
	"cmp"
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/diagnose/arrival"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/trace"
)

// Traces that are sampled: a few of each service show what requests begin with; then
// traces of the busiest edges are read in slices of the time. The slices of the last
// seconds are short, because a change there must show soon.
const (
	mostServices = 30
	perService   = 5
	mostEdges    = 3
	recentTime   = 30 * time.Second
	recentSlice  = 2 * time.Second
	earlierParts = 15 // slices of the time before
	perSlice     = 12 // traces, of all edges together
	minPerSlice  = 4  // traces of one edge
)

// sample reads traces of edges and adds the complete ones to a sample. If edges is
// empty, it looks for them among all services.
func (r *run) sample(ctx context.Context, edges []result.Entry) (*sample.Sample, error) {
	defer r.stage("sample", time.Now())
	requests := sample.New()
	err := r.spans.Ask(ctx, r.cfg.share(sampleShare), func(ctx context.Context) (int, error) {
		var err error
		if len(edges) == 0 {
			if edges, err = r.edges(ctx, r.services); err != nil {
				return 0, err
			}
			edges = edges[:min(len(edges), mostEdges)]
		}
		found, err := r.sampleTraces(ctx, edges)
		complete := arrival.New(nil, r.now.Add(time.Hour), requests.Add)
		for _, t := range found {
			complete.Add(t)
			r.stores.Add(&t)
		}
		complete.Flush()
		r.incomplete += complete.Incomplete()
		if complete.Undatable() {
			r.doubt = "many spans are missing, and the clocks of the services differ: the traces do not tell where the time is spent"
		}
		return len(found), err
	})
	return requests, err
}

// edges returns the entries of the traces of services, the most frequent first. With
// Config.Entry, it is the only one.
func (r *run) edges(ctx context.Context, services []string) ([]result.Entry, error) {
	services = slices.Sorted(slices.Values(services))
	services = services[:min(len(services), mostServices)]
	to := r.now.Add(-min(arriving, r.since/2))
	found, err := each(ctx, len(services), func(ctx context.Context, i int) ([]trace.Trace, error) {
		return r.traces.Traces(ctx, query.Search{Service: services[i], From: r.start(), To: to, Limit: perService})
	})
	if err != nil {
		return nil, err
	}
	busiest := sample.Edges(found)
	if r.cfg.Entry != "" {
		busiest = slices.DeleteFunc(busiest, func(e result.Entry) bool { return e.Operation != r.cfg.Entry })
	}
	return busiest, nil
}

func (r *run) sampleTraces(ctx context.Context, edges []result.Entry) ([]trace.Trace, error) {
	type slice struct{ from, to time.Time }
	var parts []slice
	recent := r.now.Add(-recentTime)
	if !recent.After(r.start()) {
		recent = r.start()
	}
	for at, every := r.start(), recent.Sub(r.start())/earlierParts; every > 0 && at.Before(recent); at = at.Add(every) {
		parts = append(parts, slice{at, at.Add(every)})
	}
	for at := recent; at.Before(r.now); at = at.Add(recentSlice) {
		parts = append(parts, slice{at, at.Add(recentSlice)})
	}
	return each(ctx, len(parts)*len(edges), func(ctx context.Context, i int) ([]trace.Trace, error) {
		e, part := edges[i/len(parts)], parts[i%len(parts)]
		return r.traces.Traces(ctx, query.Search{Service: e.Service, Operation: e.Operation, From: part.from, To: part.to,
			Limit: max(perSlice/len(edges), minPerSlice)})
	})
}

// sampled returns the entries whose traces are to be compared with the metrics: those of
// services that only send spans and, if the metrics are too coarse for a verdict, those
// with most requests. It is empty if the metrics suffice.
func (r *run) sampled(ctx context.Context, res result.Result) []result.Entry {
	var out []result.Entry
	measured := map[string]bool{}
	for _, e := range r.metrics.Entries {
		measured[e.Service] = true
	}
	for _, h := range r.metrics.Hops {
		measured[h.Service] = true
	}
	for _, c := range r.metrics.Calls {
		measured[c.Service] = true
	}
	if res.Verdict == result.Unsure || len(r.metrics.Entries) == 0 {
		out = r.busiest()
	}
	unmeasured := slices.DeleteFunc(slices.Clone(r.services), func(s string) bool { return measured[s] })
	if len(unmeasured) > 0 {
		_ = r.spans.Ask(ctx, r.cfg.share(edgeShare), func(ctx context.Context) (int, error) { // noted
			edges, err := r.edges(ctx, unmeasured)
			edges = slices.DeleteFunc(edges, func(e result.Entry) bool { return measured[e.Service] })
			out = append(out, edges[:min(len(edges), mostEdges)]...)
			return len(edges), err
		})
	}
	return out
}

// busiest returns the entries of the metrics with most requests.
func (r *run) busiest() []result.Entry {
	entries := slices.DeleteFunc(slices.Clone(r.metrics.Entries), func(e evidence.EntrySeries) bool {
		return e.Flow == "async" || r.cfg.Entry != "" && e.Operation != r.cfg.Entry
	})
	requests := func(e evidence.EntrySeries) float64 { return evidence.Steps(0, r.metrics.Steps).Sum(e.Count) }
	slices.SortStableFunc(entries, func(a, b evidence.EntrySeries) int { return cmp.Compare(requests(b), requests(a)) })
	var out []result.Entry
	for _, e := range entries[:min(len(entries), mostEdges)] {
		out = append(out, result.Entry{Service: e.Service, Operation: e.Operation})
	}
	return out
}

// each asks n questions, a few at a time, and returns the answers together, each
// trace once.
func each(ctx context.Context, n int, question func(context.Context, int) ([]trace.Trace, error)) ([]trace.Trace, error) {
	answers := make([][]trace.Trace, n)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i := range n {
		g.Go(func() (err error) {
			answers[i], err = question(gctx, i)
			return err
		})
	}
	err := g.Wait()
	seen := map[string]bool{}
	var out []trace.Trace
	for _, t := range slices.Concat(answers...) {
		if !seen[t.ID] {
			seen[t.ID] = true
			out = append(out, t)
		}
	}
	return out, err
}
