package diagnose_test

import (
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// An answer that is not sure yet names the hop that has most of the added time, and no hop
// if many share it.
func TestSuspect(t *testing.T) {
	const step, before, n, rate = 2 * time.Second, 90, 92, 40.
	start := time.Unix(1_700_000_000, 0)
	for _, c := range []struct {
		why     string
		slow    int // hops among which the added time is divided
		suspect string
	}{
		{"one hop", 1, "a"},
		{"four hops", 4, ""},
	} {
		m := evidence.Metrics{Start: start, Step: step, Steps: n, Newest: start.Add(n * step)}
		series := func(value func(i int) float64) []float64 {
			out := make([]float64, n)
			for i := range out {
				out[i] = value(i)
			}
			return out
		}
		count := series(func(int) float64 { return rate })
		hops := []string{"a", "b", "c", "d"}
		self := make([][]float64, len(hops))
		total := make([]float64, n)
		for h := range hops {
			self[h] = series(func(i int) float64 {
				usual := rate * .01 * (1 + .1*float64(i%3))
				if i >= before && h < c.slow {
					usual += rate * .4 / float64(c.slow)
				}
				return usual
			})
			for i := range total {
				total[i] += self[h][i]
			}
		}
		m.Entries = []evidence.EntrySeries{{Entry: result.Entry{Service: "edge", Operation: "POST /buy"}, Sum: total, Count: count}}
		m.Hops = []evidence.HopSeries{{Service: "edge", Operation: "POST /buy", Entry: "POST /buy", Flow: "request", Self: make([]float64, n), Duration: total, Count: count}}
		for h, name := range hops {
			m.Hops = append(m.Hops, evidence.HopSeries{Service: name, Operation: "Do", Entry: "POST /buy", Flow: "request", Self: self[h], Duration: self[h], Count: count})
		}
		r := diagnose.Diagnose(diagnose.Evidence{Metrics: m, Now: m.Newest}, diagnose.Options{}).Result()
		got := ""
		if len(r.Findings) > 0 {
			got = r.Findings[0].Hop
		}
		if r.Verdict != result.Unsure || got != c.suspect {
			t.Errorf("%s: %s (%s), suspect %q, want unsure and %q", c.why, r.Verdict, r.Why, got, c.suspect)
		}
	}
}
