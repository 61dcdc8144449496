package diagnose_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// A queue has the largest share of a flow's added time but follows the work of its
// consumer. The reason for the verdict names the largest share, not the first.
func TestSpreadNamesTheLargestShare(t *testing.T) {
	const steps = 200
	series := func(before, now float64) []float64 {
		v := make([]float64, steps)
		for i := range v {
			if v[i] = before; i >= steps*3/4 {
				v[i] = now
			}
		}
		return v
	}
	e := result.Entry{Service: "gateway", Operation: "POST /checkout", Flow: "async", Consumer: &result.Consumer{Service: "h0", Operation: "process"}}
	m := evidence.Metrics{Start: time.Unix(1e9, 0).UTC(), Step: 2 * time.Second, Steps: steps,
		Entries: []evidence.EntrySeries{{Entry: e, Sum: series(2, 12), Count: series(20, 20)}},
		Queues:  []evidence.QueueSeries{{Service: "h0", Operation: "process", Entry: e.Operation, Sum: series(0, 2.5)}}}
	for i, added := range []float64{1, 1.7, 1.6, 1.5, 1.4} {
		m.Hops = append(m.Hops, evidence.HopSeries{Service: fmt.Sprint("h", i), Operation: "process", Entry: e.Operation, Flow: "async",
			Self: series(.1, .1+added), Duration: series(.1, .1+added), Count: series(20, 20)})
	}
	r := diagnose.Diagnose(diagnose.Evidence{Metrics: m}, diagnose.Options{}).Result()
	if len(r.Findings) != 6 || r.Findings[0].Kind != result.KindSelf || r.Findings[1].Kind != result.KindQueue {
		t.Fatalf("findings %+v", r.Findings)
	}
	if r.Verdict != result.Unsure || !strings.Contains(r.Why, "over 6 parts, none with more than 25 %") {
		t.Errorf("%s, %s", r.Verdict, r.Why)
	}
}
