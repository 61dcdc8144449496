package diagnose

import (
	"testing"

	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/diagnose/result"
)

// The queue that a finding of lost concurrency names is not listed a second time as a
// link, wherever the finding has been moved.
func TestQueueIsListedOnce(t *testing.T) {
	r := result.Result{Verdict: result.Spike, Findings: []result.Finding{{Hop: "web", Kind: result.KindConcurrency, Target: "stock",
		Cause: &result.Cause{Kind: result.CauseLostConcurrency, Sure: true}}}}
	out := arrange(r, compare.Comparison{Suspects: []compare.Suspect{
		{Service: "web", Kind: compare.Self},
		{Service: "web", Target: "stock", Kind: compare.Link},
	}})
	if len(out) != 1 || out[0].Kind != result.KindConcurrency {
		t.Errorf("findings %+v, want that of the lost concurrency alone", out)
	}
}
