package drill

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tenhop/tenhop/query/traces"
)

// Foreseen compares the p95 that the answer predicted for the entry without the fault
// with the p95 after recovery.
type Foreseen struct {
	LowMS      float64 `json:"low_ms"`      // lower bound of the predicted 90 % interval
	HighMS     float64 `json:"high_ms"`     // upper bound
	MeasuredMS float64 `json:"measured_ms"` // p95 after recovery
	Requests   int     `json:"requests"`    // number of requests measured
	Inside     bool    `json:"inside"`      // whether the measured p95 lies in the interval
}

// The p95 after recovery is measured from spans, because histogram buckets are too coarse
// for a comparison with an interval.
const (
	measureLength      = 20 * time.Second
	maxMeasureRequests = 1000
	minMeasureRequests = 40
)

// foreseen sets round.Foreseen if the hop was right and its p95 was predicted.
func (r *runner) foreseen(ctx context.Context, round *Round) error {
	a := round.Said()
	if !round.RightHop || round.Seconds.Recovered == nil || !a.Found() || a.Findings[0].CounterfactualP95 == nil {
		return nil
	}
	if err := pause(ctx, measureLength); err != nil {
		return err
	}
	var err error
	round.Foreseen, err = r.compare(ctx, *a.Findings[0].CounterfactualP95)
	return err
}

// compare measures the p95 of the latest requests. It returns nil if there are too few.
func (r *runner) compare(ctx context.Context, within [2]float64) (*Foreseen, error) {
	from, err := traces.Open(r.Jaeger, r.Tempo, r.Clients)
	if err != nil {
		return nil, err
	}
	found, err := recent(ctx, from, r.Entry, measureLength, maxMeasureRequests)
	if err != nil {
		return nil, fmt.Errorf("measure the recovered p95: %w", err)
	}
	var took []time.Duration
	for _, t := range found {
		if s := r.Entry.span(t); s != nil {
			took = append(took, s.Duration)
		}
	}
	if len(took) < minMeasureRequests {
		return nil, nil
	}
	slices.Sort(took)
	p95 := float64(took[(95*len(took)+99)/100-1].Microseconds()) / 1000
	return &Foreseen{LowMS: within[0], HighMS: within[1], MeasuredMS: p95, Requests: len(took),
		Inside: p95 >= within[0] && p95 <= within[1]}, nil
}
