package collect

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/trace"
)

// Traces that are read without metrics: a few of each service show what requests
// begin with; then some of the busiest edges are read in every slice of the time.
const (
	mostServices = 30
	perService   = 5
	mostEdges    = 3
	timeSlices   = 20
	mostTraces   = 400
)

// sample reads traces of the busiest edges.
func (r *run) sample(ctx context.Context) (*sample.Sample, error) {
	defer r.stage("sample", time.Now())
	requests := sample.New()
	err := r.spans.Ask(ctx, r.cfg.share(metricsShare), func(ctx context.Context) (int, error) {
		found, err := r.sampleTraces(ctx)
		for _, t := range found {
			requests.Add(t)
		}
		return len(found), err
	})
	return requests, err
}

func (r *run) sampleTraces(ctx context.Context) ([]trace.Trace, error) {
	services := slices.Sorted(slices.Values(r.services))
	first, err := each(ctx, len(services[:min(len(services), mostServices)]), func(ctx context.Context, i int) ([]trace.Trace, error) {
		return r.traces.Traces(ctx, query.Search{Service: services[i], From: r.start(), To: r.now, Limit: perService})
	})
	if err != nil {
		return nil, err
	}
	busiest := sample.Edges(first)
	if r.cfg.Entry != "" {
		busiest = slices.DeleteFunc(busiest, func(e result.Entry) bool { return e.Operation != r.cfg.Entry })
	}
	busiest = busiest[:min(len(busiest), mostEdges)]
	if len(busiest) == 0 {
		return nil, nil
	}
	every := r.now.Sub(r.start()) / timeSlices
	return each(ctx, timeSlices*len(busiest), func(ctx context.Context, i int) ([]trace.Trace, error) {
		e, from := busiest[i/timeSlices], r.start().Add(time.Duration(i%timeSlices)*every)
		return r.traces.Traces(ctx, query.Search{Service: e.Service, Operation: e.Operation, From: from, To: from.Add(every),
			Limit: mostTraces / timeSlices / len(busiest)})
	})
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
