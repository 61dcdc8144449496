package mcp

import (
	"context"
	"errors"
	"fmt"

	"github.com/tenhop/tenhop/console/traceview"
)

// WhichTwo selects the traces that are compared.
type WhichTwo struct {
	A string `json:"a,omitempty" jsonschema:"trace ID of an ordinary request; the mean of usual earlier ones of the same operation if empty"`
	B string `json:"b" jsonschema:"trace ID of the request to explain"`
}

// Comparison holds the time of each place in b and a.
type Comparison struct {
	A       Side         `json:"a"`
	B       Side         `json:"b"`
	DeltaMS float64      `json:"delta_ms" jsonschema:"duration of b minus that of a"`
	Rows    []Difference `json:"rows" jsonschema:"largest difference first"`

	MoreRows    int     `json:"more_rows,omitempty" jsonschema:"rows that did not fit"`
	MoreDeltaMS float64 `json:"more_delta_ms,omitempty" jsonschema:"sum of their differences"`
}

// Side is one trace, or the mean of several.
type Side struct {
	TraceID    string  `json:"trace_id,omitempty"`
	Traces     int     `json:"traces"`
	Service    string  `json:"service" jsonschema:"of the topmost span"`
	Operation  string  `json:"operation" jsonschema:"of the topmost span"`
	DurationMS float64 `json:"duration_ms" jsonschema:"of the topmost span"`
}

// Difference is the time of one place in b and a.
type Difference struct {
	Service   string  `json:"service"`
	Operation string  `json:"operation"`
	Kind      string  `json:"kind" jsonschema:"self, dependency, link or queue"`
	Target    string  `json:"target,omitempty"`
	AMS       float64 `json:"a_ms"`
	BMS       float64 `json:"b_ms"`
	DeltaMS   float64 `json:"delta_ms"`
	ACount    float64 `json:"a_count" jsonschema:"spans of the place"`
	BCount    float64 `json:"b_count"`
}

func (t tools) compare(ctx context.Context, in WhichTwo) (Comparison, error) {
	b, err := t.view(ctx, in.B)
	if err != nil {
		return Comparison{}, fmt.Errorf("b: %w", err)
	}
	if in.A != "" {
		a, err := t.view(ctx, in.A)
		if err != nil {
			return Comparison{}, fmt.Errorf("a: %w", err)
		}
		return comparison(one(a), one(b), traceview.Compare(a.Places(), b.Places())), nil
	}
	j, err := t.tracer()
	if err != nil {
		return Comparison{}, err
	}
	earlier, err := traceview.Earlier(ctx, j, b)
	if err != nil {
		return Comparison{}, err
	}
	usual := traceview.Usual(earlier)
	if len(usual) == 0 {
		return Comparison{}, errors.New("there is no earlier trace of the same operation to compare with; give one as a")
	}
	mean := Side{Traces: len(usual), Service: b.Spans[0].Service, Operation: b.Spans[0].Operation}
	for _, v := range usual {
		mean.DurationMS += float64(v.Spans[0].Duration) / 1000 / float64(len(usual))
	}
	return comparison(mean, one(b), traceview.Compare(traceview.Mean(usual), b.Places())), nil
}

func (t tools) view(ctx context.Context, id string) (*traceview.View, error) {
	tr, err := t.byID(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(tr.Spans) == 0 {
		return nil, errors.New("the trace has no spans")
	}
	return traceview.New(tr), nil
}

func one(v *traceview.View) Side {
	root := v.Spans[0]
	return Side{TraceID: v.TraceID, Traces: 1, Service: root.Service, Operation: root.Operation, DurationMS: float64(root.Duration) / 1000}
}

func comparison(a, b Side, rows []traceview.Row) Comparison {
	out := Comparison{A: a, B: b, DeltaMS: b.DurationMS - a.DurationMS, Rows: []Difference{}}
	for _, r := range rows {
		out.Rows = append(out.Rows, Difference{Service: r.Service, Operation: r.Operation, Kind: r.Kind, Target: r.Target,
			AMS: r.A.Time / 1000, BMS: r.B.Time / 1000, DeltaMS: r.Delta / 1000, ACount: r.A.Count, BCount: r.B.Count})
	}
	out.keep(keptRows)
	return out
}

// keep leaves the first n rows and adds the others to the sums.
func (c *Comparison) keep(n int) {
	for _, r := range c.Rows[min(n, len(c.Rows)):] {
		c.MoreRows++
		c.MoreDeltaMS += r.DeltaMS
	}
	c.Rows = c.Rows[:min(n, len(c.Rows))]
}

func (c *Comparison) shorten(bool) bool {
	if len(c.Rows) <= leastRows {
		return false
	}
	c.keep(len(c.Rows) - 1)
	return true
}
