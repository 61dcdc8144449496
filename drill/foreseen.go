package drill

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/waterfall"
)

// Foreseen compares what the answer said that the entry's p95 would be without
// the fault with what it was once the fault was lifted.
type Foreseen struct {
	LowMS      float64 `json:"low_ms"` // 90 % interval
	HighMS     float64 `json:"high_ms"`
	MeasuredMS float64 `json:"measured_ms"`
	Requests   int     `json:"requests"` // that the measured p95 is of
	Inside     bool    `json:"inside"`
}

// Measurement of the p95 after a recovery, by the entry's spans: buckets of
// histograms are too coarse to be compared with an interval.
const (
	measureOver = 20 * time.Second
	measureMost = 1000 // requests
	measureMin  = 40
)

// foreseen measures, when the answer was right and said what to expect.
func (r *runner) foreseen(ctx context.Context, round *Round) error {
	var a answer
	if !round.RightHop || round.Seconds.Recovered == nil || json.Unmarshal(round.Answer, &a) != nil || a.Findings[0].CounterfactualP95 == nil {
		return nil
	}
	if err := pause(ctx, measureOver); err != nil {
		return err
	}
	var err error
	round.Foreseen, err = r.compare(ctx, *a.Findings[0].CounterfactualP95)
	return err
}

// compare measures the p95 of the last requests; nil of too few.
func (r *runner) compare(ctx context.Context, within [2]float64) (*Foreseen, error) {
	traces, err := waterfall.Jaeger{URL: r.Jaeger}.Find(ctx, waterfall.Query{Service: r.Entry.Service, Operation: r.Entry.Operation, Since: measureOver, Limit: measureMost})
	if err != nil {
		return nil, fmt.Errorf("measure the recovered p95: %w", err)
	}
	var took []time.Duration
	var tree trace.Tree
	for _, t := range traces {
		tree.Load(t)
		for _, i := range tree.Order() {
			if s := tree.Span(i); s.Service == r.Entry.Service && s.Operation == r.Entry.Operation && s.Kind == trace.Server {
				took = append(took, s.Duration)
				break
			}
		}
	}
	if len(took) < measureMin {
		return nil, nil
	}
	slices.Sort(took)
	p95 := float64(took[(95*len(took)+99)/100-1].Microseconds()) / 1000
	return &Foreseen{LowMS: within[0], HighMS: within[1], MeasuredMS: p95, Requests: len(took), Inside: p95 >= within[0] && p95 <= within[1]}, nil
}
