package diagnose_test

import (
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// More requests are in flight at a hop when each takes longer. If the latency tells why,
// requests in flight alone are no hang; if they are all that is known, they are.
func TestPileOfSlowRequests(t *testing.T) {
	const step, before, now = 2 * time.Second, 90, 15
	start := time.Unix(1_700_000_000, 0)
	for _, slow := range []float64{.6, 0} { // seconds added to the wait for the store
		m := evidence.Metrics{Start: start, Step: step, Steps: before + now, Newest: start.Add((before + now) * step)}
		count, took, wait := make([]float64, m.Steps), make([]float64, m.Steps), make([]float64, m.Steps)
		p := evidence.Process{Service: "edge", Instance: "edge-1"}
		for i := range m.Steps {
			added, held := 0.0, 2.0
			if i >= before {
				added, held = slow, 30
			}
			count[i] = 40
			wait[i] = count[i] * (.01*(1+.1*float64(i%3)) + added)
			took[i] = wait[i] + count[i]*.01
			p.InFlight = append(p.InFlight, evidence.Reading{At: m.At(i + 1), Value: held})
		}
		self := make([]float64, m.Steps)
		for i := range self {
			self[i] = took[i] - wait[i]
		}
		m.Processes = []evidence.Process{p}
		m.Entries = []evidence.EntrySeries{{Entry: result.Entry{Service: "edge", Operation: "GET /"}, Sum: took, Count: count}}
		m.Hops = []evidence.HopSeries{{Service: "edge", Operation: "GET /", Entry: "GET /", Flow: "request", Self: self, Duration: took, Count: count}}
		m.Waits = []evidence.WaitSeries{{Service: "edge", Operation: "GET /", Entry: "GET /", Flow: "request", Dependency: "edge-db", Kind: "database", Sum: wait}}
		r := diagnose.Diagnose(diagnose.Evidence{Metrics: m, Now: m.Newest}, diagnose.Options{}).Result()
		switch {
		case slow > 0 && (r.Verdict != result.Spike || r.Findings[0].Kind != result.KindDependency):
			t.Errorf("slow store: %s (%s) %+v", r.Verdict, r.Why, r.Findings)
		case slow == 0 && (r.Verdict != result.Unsure || len(r.Findings) == 0 || r.Findings[0].Evidence == ""):
			t.Errorf("requests in flight alone: %s (%s) %+v", r.Verdict, r.Why, r.Findings)
		}
	}
}
