package scrapes_test

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/scrapes"
	"github.com/tenhop/tenhop/query/jaeger/jaegertest"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
	"github.com/tenhop/tenhop/trace"
)

var began = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// lead is the ordinary time before a fault.
const lead = 6 * time.Minute

// world serves a fleet's metrics and traces at a virtual time.
type world struct {
	fleet  *scrapes.Fleet
	mu     sync.Mutex
	now    time.Time
	prom   *httptest.Server
	jaeger *httptest.Server // nil without traces
}

// serve starts the back ends of a fleet. Targets are scraped at random phases.
func serve(t testing.TB, f *scrapes.Fleet, seed uint64, every time.Duration, until time.Time) *world {
	w := &world{fleet: f}
	if every > 0 {
		rng := rand.New(rand.NewPCG(seed, 7))
		byService := map[string]int{}
		var targets []promtest.Target
		for _, s := range f.Counters(until) {
			i, ok := byService[s.Service]
			if !ok {
				i = len(targets)
				byService[s.Service] = i
				targets = append(targets, promtest.Target{Job: s.Service, Instance: s.Service + ":1", Every: every,
					Phase: time.Duration(rng.Float64() * float64(every))})
			}
			targets[i].Counters = append(targets[i].Counters, promtest.Counter{Name: s.Name, Labels: s.Labels, At: s.At})
		}
		w.prom = promtest.Serve(t, f.Began, until, targets...)
	}
	if f.Sampled > 0 {
		w.jaeger = jaegertest.ServeFunc(t, func(from, to time.Time) []trace.Trace {
			w.mu.Lock()
			defer w.mu.Unlock()
			if from.Before(w.now.Add(-2 * lead)) { // services are those of the last minute
				from = w.now.Add(-time.Minute)
			}
			return f.Traces(from, to, w.now)
		})
	}
	return w
}

// ask diagnoses at a time.
func (w *world) ask(t testing.TB, at time.Time) result.Result {
	w.mu.Lock()
	w.now = at
	w.mu.Unlock()
	cfg := collect.Config{Now: at, Timeout: time.Minute}
	if w.prom != nil {
		cfg.Prometheus = w.prom.URL
	}
	if w.jaeger != nil {
		cfg.Jaeger = w.jaeger.URL
	}
	res, err := collect.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// outcome is what was said about one fault.
type outcome struct {
	named    time.Duration // after the onset; 0 for never
	wrong    int           // spikes with another hop first
	none     int           // verdicts none later than 15 s after the onset
	returned int           // verdicts none after the first spike
	asked    int
}

// fault asks every three seconds after the onset of a fault.
func fault(t testing.TB, seed uint64, every time.Duration, sampled, factor float64, log bool) outcome {
	f := scrapes.New(seed, began, 20, sampled)
	rng := rand.New(rand.NewPCG(seed, 9))
	f.Onset, f.Slow = began.Add(lead+time.Duration(rng.Float64()*float64(time.Minute))), 1+rng.IntN(5)
	f.Added = .2
	if factor > 0 {
		f.Added = factor * f.Mean()
	}
	length := max(4*every, time.Minute)
	w := serve(t, f, seed, every, f.Onset.Add(length))
	var o outcome
	for after := 3 * time.Second; after <= length; after += 3 * time.Second {
		res := w.ask(t, f.Onset.Add(after))
		o.asked++
		right := res.Verdict == result.Spike && len(res.Findings) > 0 && res.Findings[0].Hop == f.Service(f.Slow) && res.Findings[0].Kind == result.KindSelf
		switch {
		case right && o.named == 0:
			o.named = after
		case res.Verdict == result.Spike && !right:
			o.wrong++
		case res.Verdict == result.None && o.named > 0:
			o.returned++
		}
		if res.Verdict == result.None && after > 15*time.Second {
			o.none++
		}
		if log {
			first := ""
			if len(res.Findings) > 0 {
				first = res.Findings[0].Hop + " " + res.Findings[0].Kind
			}
			t.Logf("%s %3.0f s: %s by %s %s %.0f -> %.0f ms %s, want %s", every, after.Seconds(), res.Verdict, res.DecidedBy, first, res.BaselineMS, res.NowMS, res.Why, f.Service(f.Slow))
		}
	}
	return o
}

func TestProbe(t *testing.T) {
	for _, every := range []time.Duration{2 * time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second} {
		for _, sampled := range []float64{1, 0} {
			for _, factor := range []float64{0, .3} {
				t.Run(fmt.Sprintf("%s/%v/%v", every, sampled, factor), func(t *testing.T) {
					at := time.Now()
					o := fault(t, 1, every, sampled, factor, testing.Verbose())
					t.Logf("%+v in %s", o, time.Since(at))
				})
			}
		}
	}
}
