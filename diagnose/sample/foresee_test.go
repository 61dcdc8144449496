package sample_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/trace"
)

// checkout returns the trace of a request that calls payment and pricing in parallel,
// then shipping. Payment takes longer by slow.
func checkout(rng *rand.Rand, id string, at time.Time, slow time.Duration) trace.Trace {
	ms := func(v float64) time.Duration { return time.Duration(v * float64(time.Millisecond)) }
	vary := func(mean float64) time.Duration { return ms(mean * math.Exp(.3*rng.NormFloat64())) }
	own, pay, price, ship := vary(5), vary(40)+slow, vary(60), vary(20)
	both := max(pay, price) + ms(2)
	span := func(id, parent, service string, kind trace.Kind, from, long time.Duration) trace.Span {
		return trace.Span{ID: id, Parent: parent, Service: service, Operation: "do", Kind: kind, Start: at.Add(from), Duration: long,
			Attributes: map[string]string{}}
	}
	return trace.Trace{ID: id, Spans: []trace.Span{
		span("1", "", "gateway", "server", 0, own+both+ship+ms(2)),
		span("2", "1", "gateway", "client", own, pay+ms(2)), span("3", "2", "payment", "server", own+ms(1), pay),
		span("4", "1", "gateway", "client", own, price+ms(2)), span("5", "4", "pricing", "server", own+ms(1), price),
		span("6", "1", "gateway", "client", own+both, ship+ms(2)), span("7", "6", "shipping", "server", own+both+ms(1), ship),
	}}
}

// drill diagnoses n requests before and n requests while payment is slow. It also
// returns the p95, in milliseconds, of 400 requests after the fault is lifted.
func drill(seed uint64, n int, slow func(*rand.Rand) time.Duration) (result.Result, float64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	at := time.Unix(1_700_000_000, 0)
	var before, now []trace.Trace
	for range n {
		before = append(before, checkout(rng, "b", at, 0))
		now = append(now, checkout(rng, "n", at, slow(rng)))
	}
	took := make([]float64, 400)
	for i := range took {
		took[i] = float64(checkout(rng, "l", at, 0).Spans[0].Duration) / 1e6
	}
	slices.Sort(took)
	res := result.Result{Verdict: result.Spike, Entry: result.Entry{Service: "gateway", Operation: "do"}}
	s := sample.New()
	was, is := s.Of(res.Entry, before), s.Of(res.Entry, now)
	res.Findings = s.Latency(was, is, .03)
	s.Foresee(&res, was, is)
	return res, took[int(.95*float64(len(took)))]
}

// After a fault is lifted, the p95 lies in the counterfactual interval in at least four
// of five drills. Pricing, which runs in parallel, hides some of payment's time.
func TestCounterfactualHoldsTheLiftedP95(t *testing.T) {
	const drills = 40
	hits, width := 0, 0.0
	for seed := range uint64(drills) {
		res, p95 := drill(seed, 100, func(rng *rand.Rand) time.Duration {
			return time.Duration((150 + 100*rng.Float64()) * float64(time.Millisecond))
		})
		f := res.Findings[0]
		if f.Hop != "payment" || f.Kind != result.KindSelf || f.CounterfactualP95 == nil {
			t.Fatalf("first is %+v", f)
		}
		if i := *f.CounterfactualP95; i[0] <= p95 && p95 <= i[1] {
			hits++
		}
		width += (f.CounterfactualP95[1] - f.CounterfactualP95[0]) / drills
	}
	t.Logf("in %d of %d drills, intervals %.0f ms wide", hits, drills, width)
	if hits < drills*8/10 {
		t.Errorf("the lifted p95 lies in %d of %d intervals", hits, drills)
	}
}

// One slow request in twenty changes the tail and not the median.
func TestQuantilesShowATail(t *testing.T) {
	res, _ := drill(3, 400, func(rng *rand.Rand) time.Duration {
		if rng.IntN(20) == 0 {
			return 2 * time.Second
		}
		return 0
	})
	if len(res.Quantiles) != 3 {
		t.Fatalf("quantiles %+v", res.Quantiles)
	}
	p50, p99 := res.Quantiles[0], res.Quantiles[2]
	if len(p50.Parts) != 0 || math.Abs(p50.AddedMS) > 10 {
		t.Errorf("p50 %+v, want it unmoved", p50)
	}
	if p99.AddedMS < 1500 || len(p99.Parts) == 0 || p99.Parts[0].Hop != "payment" || p99.Parts[0].Share < .9 || p99.Requests.Now < 3 {
		t.Errorf("p99 %+v, want payment's two seconds", p99)
	}
}
