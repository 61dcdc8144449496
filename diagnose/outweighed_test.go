package diagnose_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// An entry that is surely slower by little is not the answer while another may be
// slower by much more.
func TestSmallRiseBesideLargeDoubt(t *testing.T) {
	const step, before, now, rate = 2 * time.Second, 90, 15, 40.
	start := time.Unix(1_700_000_000, 0)
	for _, c := range []struct {
		why     string
		bought  float64 // seconds, of the other entry in the last two steps
		verdict string
	}{
		{"the other entry is as before", .03, result.Spike},
		{"the other entry may be slower", 2, result.Unsure},
	} {
		n := before + now
		m := evidence.Metrics{Start: start, Step: step, Steps: n, Newest: start.Add(time.Duration(n) * step)}
		entry := func(operation string, mean func(i int) float64) {
			count, sum, zero := make([]float64, n), make([]float64, n), make([]float64, n)
			for i := range n {
				count[i], sum[i] = rate, rate*mean(i)
			}
			m.Entries = append(m.Entries, evidence.EntrySeries{Entry: result.Entry{Service: "edge", Operation: operation}, Sum: sum, Count: count})
			m.Hops = append(m.Hops, evidence.HopSeries{Service: "edge", Operation: operation, Entry: operation, Flow: "request", Self: zero, Duration: sum, Count: count},
				evidence.HopSeries{Service: "list", Operation: "of " + operation, Entry: operation, Flow: "request", Self: sum, Duration: sum, Count: count})
		}
		entry("GET /list", func(i int) float64 {
			if i >= before {
				return .04
			}
			return .002 * (1 + .02*float64(i%3))
		})
		entry("POST /buy", func(i int) float64 {
			if i >= n-2 {
				return c.bought
			}
			return .03 * (1 + .1*float64(i%3))
		})
		r := diagnose.Diagnose(diagnose.Evidence{Metrics: m, Now: m.Newest}, diagnose.Options{}).Result()
		if r.Verdict != c.verdict || c.verdict == result.Unsure && !strings.Contains(r.Why, "POST /buy") {
			t.Errorf("%s: %s (%s) %s %+v, want %s", c.why, r.Verdict, r.Why, r.Entry.Operation, r.Findings, c.verdict)
		}
	}
}
