package diagnose

import (
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// A finding whose added time is rounded to none has no wait that explains it.
func TestUnspannedWithoutWaits(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	m := evidence.Metrics{Start: start, Step: time.Second, Steps: 4,
		Entries: []evidence.EntrySeries{{Entry: result.Entry{Service: "shop", Operation: "GET /"}, Count: []float64{10, 10, 10, 10}}},
		Hops:    []evidence.HopSeries{{Service: "cart", Operation: "Get", Entry: "GET /", Flow: "request", Self: []float64{2, 2, 1, 1}}}}
	r := result.Result{Entry: result.Entry{Service: "shop", Operation: "GET /"},
		Baseline: result.Range{From: start, To: start.Add(2 * time.Second)}, Window: result.Range{From: start.Add(2 * time.Second), To: start.Add(4 * time.Second)},
		Findings: []result.Finding{{Kind: result.KindSelf, Hop: "cart"}}}
	unspanned(m, &r)
	if f := r.Findings[0]; f.Kind != result.KindSelf || f.Target != "" {
		t.Errorf("%+v", f)
	}
}
