package console

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/console/traceview"
	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/trace"
)

// Comparison compares two sides by the time per place.
type Comparison struct {
	A    Side            `json:"a"`
	B    Side            `json:"b"`
	Rows []traceview.Row `json:"rows"`
}

// Side is one trace, or the mean of several.
type Side struct {
	TraceID   string  `json:"trace_id,omitempty"`
	Service   string  `json:"service"`
	Operation string  `json:"operation"`
	Traces    int     `json:"traces"`
	Start     int64   `json:"start,omitempty"` // microseconds since 1970
	Duration  float64 `json:"duration"`        // microseconds, of the first span
}

// ages holds the boundaries of the periods before a trace from which its baseline is
// sampled. Each period contributes the same number of traces, so a spike that began a
// minute ago does not dominate the baseline.
var ages = []time.Duration{time.Second, 20 * time.Second, time.Minute, 3 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour}

const fromSlice = 8 // traces

// compare responds to ?a=ID&b=ID. If a is missing, it is the mean of other traces of
// the same operation.
func (c *Console) compare(r *http.Request) (Comparison, error) {
	in := r.URL.Query()
	if in.Get("b") == "" {
		return Comparison{}, badRequest("say which trace: b, and a to compare it with another one")
	}
	b, err := c.view(r.Context(), in.Get("b"))
	if err != nil {
		return Comparison{}, err
	}
	if id := in.Get("a"); id != "" {
		a, err := c.view(r.Context(), id)
		if err != nil {
			return Comparison{}, err
		}
		return Comparison{side(a), side(b), traceview.Compare(a.Places(), b.Places())}, nil
	}
	root := b.Spans[0]
	views, err := c.others(r.Context(), b)
	if err != nil {
		return Comparison{}, err
	}
	views = traceview.Usual(views)
	if len(views) == 0 {
		return Comparison{}, &apiError{http.StatusNotFound, "there is no other trace of " + root.Service + " " + root.Operation + " to compare with"}
	}
	a := Side{Service: root.Service, Operation: root.Operation, Traces: len(views)}
	for _, v := range views {
		a.Duration += float64(v.Spans[0].Duration) / float64(len(views))
	}
	return Comparison{a, side(b), traceview.Compare(traceview.Mean(views), b.Places())}, nil
}

// others returns traces of the same operation from before b.
func (c *Console) others(ctx context.Context, b *traceview.View) ([]*traceview.View, error) {
	j, err := c.tracer()
	if err != nil {
		return nil, err
	}
	root := b.Spans[0]
	found := make([][]trace.Trace, len(ages)-1)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(asked)
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
	var views []*traceview.View
	for _, slice := range found {
		for _, t := range slice {
			if len(t.Spans) == 0 || seen[t.ID] {
				continue
			}
			seen[t.ID] = true
			if v := traceview.New(&t); v.Spans[0].Operation == root.Operation && v.Spans[0].Service == root.Service {
				views = append(views, v)
			}
		}
	}
	return views, nil
}

func side(v *traceview.View) Side {
	root := v.Spans[0]
	return Side{TraceID: v.TraceID, Service: root.Service, Operation: root.Operation, Traces: 1, Start: v.Start, Duration: float64(root.Duration)}
}
