package diagnose_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// world makes the evidence of a checkout with three hops and a database.
type world struct {
	ev  evidence.Metrics
	rng *rand.Rand
}

const steps = 150 // five minutes in steps of 2 s

func newWorld() *world {
	return &world{rng: rand.New(rand.NewPCG(7, 7)), ev: evidence.Metrics{
		Start: time.Unix(1_000_000, 0), Step: 2 * time.Second, Steps: steps, Foreign: map[string]bool{}}}
}

func (w *world) series(f func(step int) float64) []float64 {
	v := make([]float64, steps)
	for i := range v {
		v[i] = f(i)
	}
	return v
}

// build returns the evidence of a checkout of 40 ms. add holds added seconds per request, by
// hop or dependency; rate returns the number of requests per step.
func (w *world) build(rate func(int) float64, add map[string]func(int) float64) evidence.Metrics {
	count := w.series(rate)
	noise := func(mean float64) float64 { return mean * (.85 + .3*w.rng.Float64()) }
	contribution := func(name string, mean float64) []float64 {
		return w.series(func(i int) float64 {
			extra := 0.0
			if f := add[name]; f != nil {
				extra = f(i)
			}
			return (noise(mean) + extra) * count[i]
		})
	}
	gateway, checkout, payment, db := contribution("gateway", .005), contribution("checkout", .01), contribution("payment", .02), contribution("db", .005)
	search := contribution("search", .005)
	sum := func(vs ...[]float64) []float64 {
		return w.series(func(i int) (t float64) {
			for _, v := range vs {
				t += v[i]
			}
			return t
		})
	}
	const entry = "POST /checkout"
	hop := func(service, operation string, self, duration []float64) evidence.HopSeries {
		return evidence.HopSeries{Service: service, Operation: operation, Entry: entry, Flow: "request", Self: self, Duration: duration, Count: count}
	}
	wait := func(service, operation, dep, kind string, v []float64) evidence.WaitSeries {
		return evidence.WaitSeries{Service: service, Operation: operation, Entry: entry, Flow: "request", Dependency: dep, Kind: kind, Sum: v}
	}
	pay := sum(payment, db)
	all := sum(gateway, checkout, pay)
	ev := w.ev
	ev.Entries = []evidence.EntrySeries{
		{Entry: result.Entry{Service: "gateway", Operation: entry}, Sum: all, Count: count},
		{Entry: result.Entry{Service: "gateway", Operation: "GET /search"}, Sum: search, Count: count},
	}
	ev.Hops = []evidence.HopSeries{
		hop("gateway", entry, gateway, all), hop("checkout", "Checkout/PlaceOrder", checkout, sum(checkout, pay)),
		hop("payment", "Payment/Charge", payment, pay),
		{Service: "gateway", Operation: "GET /search", Entry: "GET /search", Flow: "request", Self: search, Duration: search, Count: count},
	}
	ev.Waits = []evidence.WaitSeries{
		wait("gateway", entry, "checkout", "grpc", sum(checkout, pay)), wait("checkout", "Checkout/PlaceOrder", "payment", "grpc", pay),
		wait("payment", "Payment/Charge", "payment-db", "database", db),
	}
	return ev
}

func from(step int, seconds float64) func(int) float64 {
	return func(i int) float64 {
		if i >= step {
			return seconds
		}
		return 0
	}
}

func TestDiagnose(t *testing.T) {
	steady := func(int) float64 { return 10 }
	for _, c := range []struct {
		name, why string
		rate      func(int) float64
		add       map[string]func(int) float64
		verdict   string
		hop, kind string
		entry     string
	}{
		{name: "quiet", why: "noise alone is not a spike", rate: steady, verdict: result.None, entry: "POST /checkout"},
		{name: "twice the traffic", why: "more requests are not slower ones", rate: func(i int) float64 {
			if i > 100 {
				return 20
			}
			return 10
		}, verdict: result.None, entry: "POST /checkout"},
		{name: "self", why: "the plain case", rate: steady, add: map[string]func(int) float64{"payment": from(130, .5)},
			verdict: result.Spike, hop: "payment", kind: result.KindSelf, entry: "POST /checkout"},
		{name: "small", why: "50 ms are over twice the baseline", rate: steady, add: map[string]func(int) float64{"checkout": from(130, .05)},
			verdict: result.Spike, hop: "checkout", kind: result.KindSelf, entry: "POST /checkout"},
		{name: "database", why: "a store is no hop: its caller's wait names it", rate: steady, add: map[string]func(int) float64{"db": from(130, .3)},
			verdict: result.Spike, hop: "payment", kind: result.KindDependency, entry: "POST /checkout"},
		{name: "off the path", why: "a slow search is no checkout finding", rate: steady, add: map[string]func(int) float64{"search": from(130, .5)},
			verdict: result.Spike, hop: "gateway", kind: result.KindSelf, entry: "GET /search"},
		{name: "over", why: "a spike that ended is not one now", rate: steady, add: map[string]func(int) float64{"payment": func(i int) float64 {
			if i > 90 && i < 120 {
				return .5
			}
			return 0
		}}, verdict: result.None, entry: "POST /checkout"},
		{name: "again", why: "an earlier spike is not the baseline", rate: steady, add: map[string]func(int) float64{"payment": func(i int) float64 {
			if i > 90 && i < 110 || i > 135 {
				return .5
			}
			return 0
		}}, verdict: result.Spike, hop: "payment", kind: result.KindSelf, entry: "POST /checkout"},
		{name: "after another's", why: "a short calm between two spikes parts them", rate: steady, add: map[string]func(int) float64{
			"checkout": func(i int) float64 {
				if i > 105 && i < 120 {
					return 1
				}
				return 0
			}, "payment": from(126, .5)}, verdict: result.Spike, hop: "payment", kind: result.KindSelf, entry: "POST /checkout"},
		{name: "too early", why: "under a minute of baseline nobody can be sure", rate: func(i int) float64 {
			if i < 115 {
				return 0
			}
			return 10
		}, add: map[string]func(int) float64{"payment": from(135, .5)}, verdict: result.Unsure, hop: "payment", kind: result.KindSelf, entry: "POST /checkout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := diagnose.Diagnose(diagnose.Evidence{Metrics: newWorld().build(c.rate, c.add)}, diagnose.Options{}).Result()
			if res.Verdict != c.verdict || res.Entry.Operation != c.entry {
				t.Fatalf("%s: verdict %q at %q, want %q at %q (%s)", c.why, res.Verdict, res.Entry.Operation, c.verdict, c.entry, res.Why)
			}
			if c.hop == "" {
				if len(res.Findings) != 0 {
					t.Errorf("findings without a spike: %+v", res.Findings)
				}
				return
			}
			f := res.Findings[0]
			if f.Hop != c.hop || f.Kind != c.kind || f.Share < .8 || f.Share > 1.2 {
				t.Errorf("%s: first is %s %s with %.2f, want %s %s", c.why, f.Hop, f.Kind, f.Share, c.hop, c.kind)
			}
		})
	}
}

// The added time of an entry is not explained by what is slow in requests of another,
// of which too little is known for a verdict.
func TestOtherEntryExplainsNothing(t *testing.T) {
	ev := newWorld().build(func(int) float64 { return 10 }, map[string]func(int) float64{"payment": from(135, .5), "search": from(135, .2)})
	search := &ev.Entries[1]
	search.Sum, search.Count = slices.Clone(search.Sum), slices.Clone(search.Count)
	clear(search.Sum[:115])
	clear(search.Count[:115])
	ev.Hops, ev.Waits = ev.Hops[3:], nil // the checkout has no contributions
	res := diagnose.Diagnose(diagnose.Evidence{Metrics: ev}, diagnose.Options{}).Result()
	if res.Verdict != result.Unsure || res.Entry.Operation != "POST /checkout" || len(res.Findings) != 1 || res.Findings[0].Entry != "GET /search" {
		t.Errorf("%s (%s) at %s: %+v; want unsure", res.Verdict, res.Why, res.Entry.Operation, res.Findings)
	}
}

// An entry whose added time is not explained does not hide another one whose is.
func TestLocatedSpikeComesFirst(t *testing.T) {
	ev := newWorld().build(func(int) float64 { return 10 }, map[string]func(int) float64{"payment": from(130, .5), "search": from(130, .2)})
	ev.Hops, ev.Waits = ev.Hops[3:], nil // the checkout has no contributions
	res := diagnose.Diagnose(diagnose.Evidence{Metrics: ev}, diagnose.Options{}).Result()
	if res.Verdict != result.Spike || res.Entry.Operation != "GET /search" || len(res.Findings) != 1 || res.Why != "" {
		t.Errorf("%s (%s) at %s: %+v", res.Verdict, res.Why, res.Entry.Operation, res.Findings)
	}
	if o := res.OtherEntries; len(o) != 1 || o[0].Operation != "POST /checkout" || o[0].AddedMS < 400 {
		t.Errorf("also slower: %+v", o)
	}
}

// The wait for a callee with spans but without self-time metrics counts as the callee's self
// time.
func TestCalleeWithoutSelfTime(t *testing.T) {
	ev := newWorld().build(func(int) float64 { return 10 }, map[string]func(int) float64{"db": from(130, .5)})
	ev.Waits[2].Dependency, ev.Waits[2].Kind = "legacy", "http"
	ev.Foreign["legacy"] = true
	if f := diagnose.Diagnose(diagnose.Evidence{Metrics: ev}, diagnose.Options{}).Result().Findings[0]; f.Hop != "legacy" || f.Kind != result.KindSelf {
		t.Errorf("first is %s %s, want legacy self", f.Hop, f.Kind)
	}
}
