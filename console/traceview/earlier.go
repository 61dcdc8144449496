package traceview

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/trace"
)

// ages holds the boundaries of the periods before a trace from which its baseline is
// sampled. Each period contributes the same number of traces, so a spike that began a
// minute ago does not dominate the baseline.
var ages = []time.Duration{time.Second, 20 * time.Second, time.Minute, 3 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour}

const fromSlice = 8 // traces

// atOnce is the maximum number of concurrent searches.
const atOnce = 4

// Earlier returns traces that begin with the same operation as b, from the hour before it.
func Earlier(ctx context.Context, j query.Tracer, b *View) ([]*View, error) {
	root := b.Spans[0]
	found := make([][]trace.Trace, len(ages)-1)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := range found {
		start := time.UnixMicro(b.Start)
		q := query.Search{Service: root.Service, Operation: root.Operation, Limit: fromSlice, From: start.Add(-ages[i+1]), To: start.Add(-ages[i])}
		g.Go(func() (err error) {
			found[i], err = j.Traces(ctx, q)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	seen := map[string]bool{b.TraceID: true}
	var views []*View
	for _, slice := range found {
		for _, t := range slice {
			if len(t.Spans) == 0 || seen[t.ID] {
				continue
			}
			seen[t.ID] = true
			if v := New(&t); v.Spans[0].Operation == root.Operation && v.Spans[0].Service == root.Service {
				views = append(views, v)
			}
		}
	}
	return views, nil
}
