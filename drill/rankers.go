package drill

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/diagnose/eval"
)

// Ranker is the answer of a simple method that the diagnosis is compared with.
type Ranker struct {
	Method   string `json:"method"`
	Hop      string `json:"hop"`       // the first, "" if the metrics hold nothing
	RightHop bool   `json:"right_hop"` // with several faults: their hops are the first ones
}

// Times of the series that rankers read.
const (
	rankBefore = 60 * time.Second
	rankStep   = 2 * time.Second
)

// rankers returns the answers of the simple methods at this time. Those that cannot be had
// are left out.
func (r *runner) rankers(ctx context.Context, p plan, began time.Time, seed uint64) []Ranker {
	const by = `by (service_name%s) (rate(hop_duration_seconds_%s[6s]))`
	from, to := began.Add(-rankBefore), time.Now()
	quantiles, err := r.metrics.levels(ctx, "histogram_quantile(0.9, sum "+fmt.Sprintf(by, ", le", "bucket")+")", from, to)
	if err != nil {
		return nil
	}
	means, err := r.metrics.levels(ctx, "sum "+fmt.Sprintf(by, "", "sum")+" / sum "+fmt.Sprintf(by, "", "count"), from, to)
	if err != nil {
		return nil
	}
	self, err := r.metrics.levels(ctx, `sum by (service_name) (rate(hop_self_duration_seconds_sum[6s])) / sum by (service_name) (rate(hop_self_duration_seconds_count[6s]))`, from, to)
	if err != nil {
		return nil
	}
	alarm := int(rankBefore / rankStep)
	all := eval.Simple(quantiles, means, alarm, seed)
	for _, own := range eval.Simple(nil, self, alarm, seed) {
		if own.Method == "largest mean change" {
			all = append(all, eval.Ranking{Method: "largest self-time change", Names: own.Names})
		}
	}
	var out []Ranker
	for _, a := range all {
		one := Ranker{Method: a.Method, RightHop: len(a.Names) > 0}
		if len(a.Names) > 0 {
			one.Hop = a.Names[0]
		}
		for _, want := range p.Expect {
			one.RightHop = one.RightHop && slices.Contains(a.Names[:min(len(p.Expect), len(a.Names))], want.Hop)
		}
		out = append(out, one)
	}
	return out
}

// levels returns the values of an expression by service, one per rankStep. Steps without a
// value are NaN.
func (m metrics) levels(ctx context.Context, expr string, from, to time.Time) (map[string]compare.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	series, err := m.api.Range(ctx, expr, from, to, rankStep)
	if err != nil {
		return nil, err
	}
	steps := int(to.Sub(from)/rankStep) + 1
	out := map[string]compare.Node{}
	for _, s := range series {
		level := make([]float64, steps)
		for i := range level {
			level[i] = math.NaN()
		}
		for _, v := range s.Samples {
			if i := int(v.At.Sub(from).Round(rankStep) / rankStep); i >= 0 && i < steps {
				level[i] = v.Value
			}
		}
		out[s.Labels["service_name"]] = compare.Node{Level: level}
	}
	return out, nil
}
