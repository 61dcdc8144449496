package collect

import (
	"context"
	"time"

	"github.com/tenhop/tenhop/diagnose/causes"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus"
)

// causesShare is the share of the timeout for the signals of causes.
const causesShare = .2

// causes adds the causes of the findings. Without signals, those that the findings
// themselves tell remain.
func (r *run) causes(ctx context.Context, res *result.Result) {
	if len(res.Findings) == 0 || res.Verdict == result.None {
		return
	}
	defer r.stage("causes", time.Now())
	var prom *prometheus.Client
	if r.sums != nil && r.sums.OK() {
		prom = r.prom
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.share(causesShare))
	defer cancel()
	n, err := causes.Explain(ctx, prom, causes.Question{Result: res, Metrics: r.metrics, Labels: r.cfg.Labels, Now: r.now})
	if err != nil {
		res.Warnings = append(res.Warnings, "causes are not told: "+err.Error())
	}
	if r.sums != nil {
		r.sums.Read += n
	}
}
