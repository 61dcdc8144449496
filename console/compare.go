package console

import (
	"context"
	"net/http"

	"github.com/tenhop/tenhop/console/traceview"
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
	return traceview.Earlier(ctx, j, b)
}

func side(v *traceview.View) Side {
	root := v.Spans[0]
	return Side{TraceID: v.TraceID, Service: root.Service, Operation: root.Operation, Traces: 1, Start: v.Start, Duration: float64(root.Duration)}
}
