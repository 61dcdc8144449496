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

// Requests that a hop holds are held where those that end have waited meanwhile, although
// there are too few of these to raise the entry.
func TestHeldOnALink(t *testing.T) {
	const step, n, rate, since = 2 * time.Second, 90, 20., 88
	for _, c := range []struct{ link, silent bool }{{true, false}, {false, false}, {true, true}} {
		link := c.link
		start := time.Unix(1_700_000_000, 0)
		m := evidence.Metrics{Start: start, Step: step, Steps: n, Newest: start.Add(n * step)}
		series := func(usual, now float64) []float64 {
			out := make([]float64, n)
			for i := range out {
				out[i] = usual * (1 + .1*float64(i%3))
				switch {
				case c.silent && i >= since-1:
					out[i] = 0 // what ended before has to tell
				case i >= since, c.silent && i >= since-3:
					out[i] = now
				}
			}
			return out
		}
		p := evidence.Process{Service: "price", Instance: "price-1"}
		held := evidence.Held{Operation: "Quote"}
		for i := range n {
			age, active := .1, 1.
			if i >= since-2 || c.silent && i >= since-4 {
				age, active = 2*float64(i-since+3), 12
			}
			p.InFlight = append(p.InFlight, evidence.Reading{At: m.At(i + 1), Value: active})
			held.Oldest = append(held.Oldest, evidence.Reading{At: m.At(i + 1), Value: age})
			held.Active = append(held.Active, evidence.Reading{At: m.At(i + 1), Value: active})
		}
		p.Held = []evidence.Held{held}
		m.Processes = []evidence.Process{p}
		total, wait := series(rate*.03, rate*.03), series(rate*.01, rate*.01)
		if link {
			total, wait = series(rate*.03, 6*1.03), series(rate*.01, 6*1.01)
		}
		count := series(rate, rate)
		if link {
			count = series(rate, 6)
		}
		self := make([]float64, n)
		for i := range self {
			self[i] = total[i] - wait[i]
		}
		m.Entries = []evidence.EntrySeries{{Entry: result.Entry{Service: "price", Operation: "Quote"}, Sum: total, Count: count}}
		m.Hops = []evidence.HopSeries{{Service: "price", Operation: "Quote", Entry: "Quote", Flow: "request", Self: self, Duration: total, Count: count}}
		m.Waits = []evidence.WaitSeries{{Service: "price", Operation: "Quote", Entry: "Quote", Flow: "request", Dependency: "list", Kind: "http", Sum: wait}}
		r := diagnose.Diagnose(diagnose.Evidence{Metrics: m, Now: m.Newest}, diagnose.Options{}).Result()
		if len(r.Findings) == 0 || (r.Findings[0].Kind == result.KindDependency) != link || r.Verdict != result.Spike {
			t.Errorf("slow calls %v, none ends %v: %s (%s) %+v", link, c.silent, r.Verdict, r.Why, r.Findings)
		}
	}
}
