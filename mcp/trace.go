package mcp

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/traces"
	"github.com/tenhop/tenhop/trace"
)

// WhichTrace selects one trace.
type WhichTrace struct {
	TraceID       string `json:"trace_id,omitempty" jsonschema:"up to 32 hexadecimal digits"`
	CorrelationID string `json:"correlation_id,omitempty" jsonschema:"of the request, instead of its trace ID"`
	Span          string `json:"span,omitempty" jsonschema:"ID of a span; only what is below it is folded"`
}

// WhichSlowest selects the spans that are compared.
type WhichSlowest struct {
	Service   string `json:"service,omitempty" jsonschema:"service of the spans; whole requests if empty"`
	Operation string `json:"operation,omitempty" jsonschema:"operation of the spans; whole requests if empty"`
	Since     string `json:"since,omitempty" jsonschema:"how far back to look, such as 1h; 15m if empty"`
}

const defaultLookback = 15 * time.Minute

var traceID = regexp.MustCompile(`^[0-9a-fA-F]{1,32}$`)

func (t tools) trace(ctx context.Context, in WhichTrace) (Folded, error) {
	if (in.TraceID == "") == (in.CorrelationID == "") {
		return Folded{}, errors.New("give one of trace_id and correlation_id")
	}
	var tr *trace.Trace
	var err error
	if in.TraceID != "" {
		tr, err = t.byID(ctx, in.TraceID)
	} else {
		tr, err = t.byCorrelation(ctx, in.CorrelationID)
	}
	if err != nil {
		return Folded{}, err
	}
	if in.Span == "" {
		return fold(tr, trace.None), nil
	}
	for i := range tr.Spans {
		if tr.Spans[i].ID == in.Span {
			return fold(tr, i), nil
		}
	}
	return Folded{}, fmt.Errorf("the trace has no span %q; the field span of each row holds one", in.Span)
}

func (t tools) byID(ctx context.Context, id string) (*trace.Trace, error) {
	if !traceID.MatchString(id) {
		return nil, fmt.Errorf("%q is no trace ID, which has up to 32 hexadecimal digits", id)
	}
	j, err := t.tracer()
	if err != nil {
		return nil, err
	}
	tr, err := j.Trace(ctx, id)
	if errors.Is(err, query.ErrNotFound) {
		return nil, fmt.Errorf("%w; it may be older than what is kept, or its last spans are still on their way", err)
	}
	return &tr, err
}

func (t tools) byCorrelation(ctx context.Context, id string) (*trace.Trace, error) {
	j, err := t.tracer()
	if err != nil {
		return nil, err
	}
	return traces.ByCorrelation(ctx, j, id, last(defaultLookback))
}

func (t tools) slowest(ctx context.Context, in WhichSlowest) (Folded, error) {
	j, err := t.tracer()
	if err != nil {
		return Folded{}, err
	}
	since, err := period(in.Since, defaultLookback, maxSince)
	if err != nil {
		return Folded{}, err
	}
	q := last(since)
	q.Service, q.Operation = in.Service, in.Operation
	tr, err := traces.Slowest(ctx, j, q)
	if errors.Is(err, query.ErrNotFound) {
		return Folded{}, fmt.Errorf("%w within %s; a longer since may help, or no service and operation", err, since)
	}
	if err != nil {
		return Folded{}, err
	}
	return fold(tr, trace.None), nil
}

// last selects the traces of a period that ends now.
func last(since time.Duration) query.Search {
	now := time.Now()
	return query.Search{From: now.Add(-since), To: now}
}
